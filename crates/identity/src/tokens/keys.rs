//! The repository of Fernet keys: a folder with files 0, 1, 2 …, as Keystone keeps it.
//!
//! The highest number is the primary key, which seals; all others open only; 0 is
//! staged, the primary of after the next rotation. So servers that share the
//! content open each other's tokens, also while a rotation spreads. The folder is
//! looked at before each use and read again when it has changed.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use zeroize::Zeroizing;

use super::fernet::{self, Key, Opened};

/// Folder times have a grain: a folder read this soon after its last change is
/// read again at the next look.
const SETTLED: Duration = Duration::from_secs(2);

/// Why keys cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("cannot {action} {path}")]
    File {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{path} does not hold a Fernet key (44 characters of URL-safe base64)")]
    Malformed { path: PathBuf },
    #[error("no key in {path}")]
    Empty { path: PathBuf },
}

/// The keys as last read.
#[derive(Clone)]
struct Keys {
    /// The primary first.
    keys: Arc<Vec<Key>>,
    changed: SystemTime,
    settled: bool,
}

/// An open key repository.
pub struct KeyRepository {
    folder: PathBuf,
    keys: Mutex<Keys>,
}

impl KeyRepository {
    /// Opens the folder; makes it, with a primary and a staged key, when it holds none.
    pub fn open(folder: &Path) -> Result<Self, KeyError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|source| file("create", folder, source))?;
        let lock = lock(folder)?;
        if numbers(folder)?.is_empty() {
            write_key(folder, 0)?;
            advance(folder, 2)?;
        }
        drop(lock);
        let keys = Mutex::new(read(folder)?);
        Ok(Self { folder: folder.to_owned(), keys })
    }

    /// Seals with the primary key.
    pub fn seal(&self, time: u64, content: &[u8]) -> Result<String, KeyError> {
        let keys = self.current()?;
        let primary = keys.first().ok_or_else(|| KeyError::Empty { path: self.folder.clone() })?;
        Ok(primary.seal(time, content))
    }

    /// Opens a token with any of the keys.
    pub fn open_token(&self, token: &str) -> Result<Option<Opened>, KeyError> {
        Ok(fernet::open(&self.current()?, token))
    }

    fn current(&self) -> Result<Arc<Vec<Key>>, KeyError> {
        let changed = modified(&self.folder)?;
        let mut known = self.keys.lock();
        if known.changed != changed || !known.settled {
            match read(&self.folder) {
                Ok(keys) => *known = keys,
                // A rotation by other tools may show itself half done; the keys in
                // memory are good until it is whole.
                Err(error) => {
                    tracing::warn!(%error, "the Fernet keys cannot be read; going on with those known")
                }
            }
        }
        Ok(Arc::clone(&known.keys))
    }
}

/// Makes the staged key the primary, stages a new one, and forgets the oldest so
/// that `max_active` remain (at least two: a primary and a staged one).
pub fn rotate(folder: &Path, max_active: usize) -> Result<(), KeyError> {
    let _lock = lock(folder)?;
    advance(folder, max_active)
}

fn advance(folder: &Path, max_active: usize) -> Result<(), KeyError> {
    let highest =
        numbers(folder)?.last().copied().ok_or_else(|| KeyError::Empty { path: folder.to_owned() })?;
    let staged = folder.join("0");
    let primary = folder.join((highest + 1).to_string());
    fs::rename(&staged, &primary).map_err(|source| file("rename", &staged, source))?;
    write_key(folder, 0)?;
    let mut secondary: Vec<u64> = numbers(folder)?.into_iter().filter(|number| *number != 0).collect();
    let excess = secondary.len().saturating_sub(max_active.max(2) - 1);
    for number in secondary.drain(..excess) {
        let path = folder.join(number.to_string());
        fs::remove_file(&path).map_err(|source| file("remove", &path, source))?;
    }
    sync(folder)
}

/// Writes a new key whole, or not at all.
fn write_key(folder: &Path, number: u64) -> Result<(), KeyError> {
    let draft = folder.join(format!("{number}.tmp"));
    let path = folder.join(number.to_string());
    let write = || -> io::Result<()> {
        let mut draft =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        draft.write_all(Key::generate().as_bytes())?;
        draft.sync_all()
    };
    write().map_err(|source| file("write", &draft, source))?;
    fs::rename(&draft, &path).map_err(|source| file("rename", &draft, source))?;
    sync(folder)
}

fn sync(folder: &Path) -> Result<(), KeyError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|source| file("sync", folder, source))
}

/// One rotation at a time, also between servers on one host. Keystone passes over
/// files that are not numbers.
fn lock(folder: &Path) -> Result<File, KeyError> {
    let path = folder.join(".lock");
    let open = || -> io::Result<File> {
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path)?;
        lock.lock()?;
        Ok(lock)
    };
    open().map_err(|source| file("lock", &path, source))
}

/// Numbers of the key files, in order.
fn numbers(folder: &Path) -> Result<Vec<u64>, KeyError> {
    let list = || -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(folder)? {
            numbers.extend(entry?.file_name().to_str().and_then(|name| name.parse::<u64>().ok()));
        }
        Ok(numbers)
    };
    let mut numbers = list().map_err(|source| file("read", folder, source))?;
    numbers.sort_unstable();
    Ok(numbers)
}

fn read(folder: &Path) -> Result<Keys, KeyError> {
    let changed = modified(folder)?;
    let mut keys = Vec::new();
    for number in numbers(folder)?.into_iter().rev() {
        let path = folder.join(number.to_string());
        let text = match fs::read_to_string(&path) {
            Ok(text) => Zeroizing::new(text),
            // Removed or renamed by a rotation since it was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(file("read", &path, source)),
        };
        close_to_others(&path);
        keys.push(Key::parse(&text).ok_or(KeyError::Malformed { path })?);
    }
    if keys.is_empty() {
        return Err(KeyError::Empty { path: folder.to_owned() });
    }
    let age = SystemTime::now().duration_since(changed).unwrap_or_default();
    Ok(Keys { keys: Arc::new(keys), changed, settled: age > SETTLED })
}

fn close_to_others(path: &Path) {
    if let Ok(about) = fs::metadata(path)
        && about.permissions().mode() & 0o077 != 0
    {
        tracing::warn!(path = %path.display(), "others could read this key; its mode is now 0600");
        let _ = fs::set_permissions(path, Permissions::from_mode(0o600));
    }
}

fn modified(folder: &Path) -> Result<SystemTime, KeyError> {
    fs::metadata(folder).and_then(|about| about.modified()).map_err(|source| file("look at", folder, source))
}

fn file(action: &'static str, path: &Path, source: io::Error) -> KeyError {
    KeyError::File { action, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<u64> {
        numbers(folder).expect("a list")
    }

    #[test]
    fn a_new_folder_gets_a_primary_and_a_staged_key_for_the_owner_only() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = home.path().join("keys");
        let repository = KeyRepository::open(&folder).expect("keys");
        assert_eq!(names(&folder), [0, 1]);
        for name in ["", "0", "1"] {
            let mode = fs::metadata(folder.join(name)).expect("it is there").permissions().mode();
            assert_eq!(mode & 0o077, 0, "{name}");
        }
        let token = repository.seal(5, b"x").expect("a token");
        let again = KeyRepository::open(&folder).expect("the same keys");
        assert_eq!(names(&folder), [0, 1]);
        assert!(again.open_token(&token).expect("keys").is_some());
    }

    #[test]
    fn rotations_keep_old_tokens_until_their_key_is_purged() {
        let home = tempfile::tempdir().expect("a folder");
        let [here, there] = [(); 2].map(|()| KeyRepository::open(home.path()).expect("keys"));
        let first = here.seal(5, b"first").expect("a token");
        rotate(home.path(), 3).expect("a rotation");
        assert_eq!(names(home.path()), [0, 1, 2]);
        let second = there.seal(6, b"second").expect("a token");
        for repository in [&here, &there] {
            assert!(repository.open_token(&first).expect("keys").is_some());
            assert!(repository.open_token(&second).expect("keys").is_some());
        }
        rotate(home.path(), 3).expect("a rotation");
        assert_eq!(names(home.path()), [0, 2, 3]);
        assert!(here.open_token(&first).expect("keys").is_none());
        assert!(here.open_token(&second).expect("keys").is_some());
    }

    #[test]
    fn a_server_that_has_not_seen_a_rotation_opens_tokens_of_the_new_primary() {
        let home = tempfile::tempdir().expect("a folder");
        let copy = tempfile::tempdir().expect("a folder");
        let here = KeyRepository::open(home.path()).expect("keys");
        for name in ["0", "1"] {
            fs::copy(home.path().join(name), copy.path().join(name)).expect("a copy");
        }
        let behind = KeyRepository::open(copy.path()).expect("keys");
        rotate(home.path(), 3).expect("a rotation");
        let token = here.seal(5, b"x").expect("a token");
        assert!(behind.open_token(&token).expect("keys").is_some(), "the staged key became the primary");
    }

    #[test]
    fn damaged_keys_are_named_at_the_start_and_survived_later() {
        let home = tempfile::tempdir().expect("a folder");
        let repository = KeyRepository::open(home.path()).expect("keys");
        let token = repository.seal(5, b"x").expect("a token");
        fs::write(home.path().join("2"), "not a key").expect("a file");
        assert!(repository.open_token(&token).expect("keys").is_some());
        let Err(error) = KeyRepository::open(home.path()) else { panic!("a damaged key was accepted") };
        assert!(error.to_string().contains("/2 does not hold a Fernet key"), "{error}");
    }
}

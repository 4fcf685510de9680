//! Keys in a folder with files 0, 1, 2 …, as Keystone keeps them. Servers that share
//! it, or its content, open each other's tokens. The folder is looked at before each
//! use and read again when it has changed.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use zeroize::Zeroizing;

use super::rotation::{Known, Rotated, Rotation};
use super::{KeyError, Ring};
use crate::tokens::fernet::Key;
use crate::tokens::now;

/// Folder times have a grain: a folder read this soon after its last change is
/// read again at the next look.
const SETTLED: Duration = Duration::from_secs(2);

/// The keys as last read.
#[derive(Clone)]
struct Keys {
    ring: Ring,
    changed: SystemTime,
    settled: bool,
}

/// A folder of keys.
pub struct Folder {
    folder: std::path::PathBuf,
    keys: Mutex<Keys>,
}

impl Folder {
    /// Opens the folder; makes it, with a primary and a staged key, when it holds none.
    pub fn open(folder: &Path) -> Result<Self, KeyError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|source| file("create", folder, source))?;
        let lock = lock(folder)?;
        if numbers(folder)?.is_empty() {
            write_key(folder, 1)?;
            write_key(folder, 0)?;
        }
        drop(lock);
        let keys = Mutex::new(read(folder)?);
        Ok(Self { folder: folder.to_owned(), keys })
    }

    /// The keys as they are now.
    pub fn current(&self) -> Result<Ring, KeyError> {
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
        Ok(Arc::clone(&known.ring))
    }
}

/// Rotates the keys of the folder.
///
/// # Errors
/// [`KeyError::TooSoon`], or a file cannot be written.
pub fn rotate(folder: &Path, rotation: &Rotation) -> Result<Rotated, KeyError> {
    let _lock = lock(folder)?;
    let mut known = Vec::new();
    for number in numbers(folder)? {
        known.push(Known { number, made_at: made_at(&folder.join(number.to_string()))? });
    }
    let planned = rotation.plan(&known, now()).map_err(|too_soon| match too_soon {
        Some(error) => error,
        None => KeyError::Empty { place: folder.display().to_string() },
    })?;
    let staged = folder.join("0");
    let primary = folder.join(planned.primary.to_string());
    fs::rename(&staged, &primary).map_err(|source| file("rename", &staged, source))?;
    write_key(folder, 0)?;
    for number in &planned.removed {
        let path = folder.join(number.to_string());
        fs::remove_file(&path).map_err(|source| file("remove", &path, source))?;
    }
    sync(folder)?;
    Ok(planned)
}

/// When a key was written; renaming does not change that.
fn made_at(path: &Path) -> Result<i64, KeyError> {
    let age = modified(path)?.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Ok(i64::try_from(age.as_secs()).unwrap_or(i64::MAX))
}

/// The keys of a folder as texts by number, for a repository elsewhere to begin with;
/// none when there is no such folder.
pub fn texts(folder: &Path) -> Result<Vec<(u64, Zeroizing<String>)>, KeyError> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut texts = Vec::new();
    for number in numbers(folder)? {
        let path = folder.join(number.to_string());
        let text =
            fs::read_to_string(&path).map(Zeroizing::new).map_err(|source| file("read", &path, source))?;
        Key::parse(&text).ok_or_else(|| KeyError::Malformed { place: path.display().to_string() })?;
        texts.push((number, Zeroizing::new(text.trim().to_owned())));
    }
    Ok(texts)
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
        keys.push(
            Key::parse(&text).ok_or_else(|| KeyError::Malformed { place: path.display().to_string() })?,
        );
    }
    if keys.is_empty() {
        return Err(KeyError::Empty { place: folder.display().to_string() });
    }
    let age = SystemTime::now().duration_since(changed).unwrap_or_default();
    Ok(Keys { ring: Arc::new(keys), changed, settled: age > SETTLED })
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
    use crate::tokens::fernet;

    const FORCED: Rotation = Rotation { max_active: 3, lifetime: Duration::from_secs(3600), force: true };

    fn names(folder: &Path) -> Vec<u64> {
        numbers(folder).expect("a list")
    }

    fn seal(keys: &Folder, time: u64) -> String {
        keys.current().expect("keys").first().expect("a primary").seal(time, b"x")
    }

    fn opens(keys: &Folder, token: &str) -> bool {
        fernet::open(&keys.current().expect("keys"), token).is_some()
    }

    #[test]
    fn a_new_folder_gets_a_primary_and_a_staged_key_for_the_owner_only() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = home.path().join("keys");
        let keys = Folder::open(&folder).expect("keys");
        assert_eq!(names(&folder), [0, 1]);
        for name in ["", "0", "1"] {
            let mode = fs::metadata(folder.join(name)).expect("it is there").permissions().mode();
            assert_eq!(mode & 0o077, 0, "{name}");
        }
        let token = seal(&keys, 5);
        let again = Folder::open(&folder).expect("the same keys");
        assert_eq!(names(&folder), [0, 1]);
        assert!(opens(&again, &token));
    }

    #[test]
    fn rotations_keep_old_tokens_until_their_key_is_purged() {
        let home = tempfile::tempdir().expect("a folder");
        let [here, there] = [(); 2].map(|()| Folder::open(home.path()).expect("keys"));
        let first = seal(&here, 5);
        let rotated = rotate(home.path(), &FORCED).expect("a rotation");
        assert_eq!(rotated, Rotated { primary: 2, removed: vec![] });
        assert_eq!(names(home.path()), [0, 1, 2]);
        let second = seal(&there, 6);
        assert!([&here, &there].into_iter().all(|keys| opens(keys, &first) && opens(keys, &second)));
        let unforced = Rotation { force: false, ..FORCED };
        let error = rotate(home.path(), &unforced).expect_err("tokens of key 1 are valid").to_string();
        assert!(error.starts_with("key 1 has sealed tokens that are valid until 2"), "{error}");
        assert_eq!(names(home.path()), [0, 1, 2]);
        rotate(home.path(), &FORCED).expect("a rotation");
        assert_eq!(names(home.path()), [0, 2, 3]);
        assert!(!opens(&here, &first) && opens(&here, &second));
    }

    #[test]
    fn a_server_that_has_not_seen_a_rotation_opens_tokens_of_the_new_primary() {
        let home = tempfile::tempdir().expect("a folder");
        let copy = tempfile::tempdir().expect("a folder");
        let here = Folder::open(home.path()).expect("keys");
        for name in ["0", "1"] {
            fs::copy(home.path().join(name), copy.path().join(name)).expect("a copy");
        }
        let behind = Folder::open(copy.path()).expect("keys");
        rotate(home.path(), &FORCED).expect("a rotation");
        assert!(opens(&behind, &seal(&here, 5)), "the staged key became the primary");
    }

    #[test]
    fn damaged_keys_are_named_at_the_start_and_survived_later() {
        let home = tempfile::tempdir().expect("a folder");
        let keys = Folder::open(home.path()).expect("keys");
        let token = seal(&keys, 5);
        fs::write(home.path().join("2"), "not a key").expect("a file");
        assert!(opens(&keys, &token));
        let Err(error) = Folder::open(home.path()) else { panic!("a damaged key was accepted") };
        assert!(error.to_string().contains("/2 does not hold a Fernet key"), "{error}");
    }
}

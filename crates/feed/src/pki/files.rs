//! Files that hold keys: mode 0600, whole or not there at all.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::PkiError;

/// The text of a file; `None` when it is not there.
pub(super) fn read(path: &Path) -> Result<Option<String>, PkiError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(PkiError::Read { path: path.to_owned(), source }),
    }
}

/// Replaces the file in one step.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), PkiError> {
    let written = write_beside(path, text)
        .and_then(|beside| fs::rename(&beside, path).inspect_err(|_| drop(fs::remove_file(&beside))));
    written
        .and_then(|()| sync_folder(path))
        .map_err(|source| PkiError::Write { path: path.to_owned(), source })
}

/// Creates the file in one step; `false` when somebody else had made it already,
/// whose content then stands.
pub(super) fn create(path: &Path, text: &str) -> Result<bool, PkiError> {
    let write = || {
        let beside = write_beside(path, text)?;
        // A link, unlike a rename, never replaces: of two first starts one wins.
        let linked = fs::hard_link(&beside, path);
        fs::remove_file(&beside)?;
        match linked {
            Ok(()) => sync_folder(path).map(|()| true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    };
    write().map_err(|source| PkiError::Write { path: path.to_owned(), source })
}

fn write_beside(path: &Path, text: &str) -> std::io::Result<PathBuf> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{:016x}", rand::random::<u64>()));
    let beside = PathBuf::from(beside);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(beside)
}

fn sync_folder(path: &Path) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

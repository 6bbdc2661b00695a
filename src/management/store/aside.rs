//! Copies of a store, which are beside it while they are made or looked at.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rusqlite::ErrorCode;
use tempfile::TempDir;

use super::{Contents, Store, StoreError, file::NAME};

/// What the names of their directories begin with.
const PREFIX: &str = "aside-";

impl Store {
    /// A copy of it, as a file that another store can be opened from. It is written to the store's
    /// directory and removed from there.
    ///
    /// # Errors
    /// It cannot be written, or has more than `max` bytes.
    pub fn copy(&self, max: usize) -> Result<Vec<u8>, StoreError> {
        let (_aside, path) = self.aside()?;
        self.back_up(&path)?;
        let place = |why| StoreError::Place { path: path.clone(), why };
        let bytes = fs::metadata(&path).map_err(place)?.len();
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        if bytes > max {
            return Err(StoreError::Large { bytes, max });
        }
        fs::read(&path).map_err(place)
    }

    /// What is in a copy of a store of this version or an earlier one.
    ///
    /// # Errors
    /// It is of a later version, or no store, or a broken one; or there is no room to look at it.
    pub fn look_into(&self, copy: &[u8]) -> Result<Contents, StoreError> {
        let (aside, path) = self.aside()?;
        let place = |why| StoreError::Place { path: path.clone(), why };
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        file.and_then(|mut file| file.write_all(copy)).map_err(place)?;
        let read = Self::open(aside.path()).and_then(|store| Contents::of(&store));
        read.map_err(|error| judge(path.clone(), error))
    }

    /// A directory that goes away, and where in it a store has its file.
    fn aside(&self) -> Result<(TempDir, PathBuf), StoreError> {
        let beside = self.path().parent().unwrap_or_else(|| Path::new("."));
        // Nobody else may look into it.
        let made = tempfile::Builder::new().prefix(PREFIX).tempdir_in(beside);
        let aside = made.map_err(|why| StoreError::Place { path: beside.to_owned(), why })?;
        let path = aside.path().join(NAME);
        Ok((aside, path))
    }
}

/// Removes what a process left that was killed meanwhile: there are keys in it.
pub(super) fn sweep(directory: &Path) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX));
        if is_ours && let Err(error) = fs::remove_dir_all(entry.path()) {
            let path = entry.path();
            tracing::warn!(path = %path.display(), %error, "a copy of the store is left over");
        }
    }
}

/// Whether it is this machine's fault that a copy cannot be read, or that of the copy.
fn judge(path: PathBuf, error: StoreError) -> StoreError {
    use ErrorCode::{
        CannotOpen, DiskFull, OutOfMemory, PermissionDenied, ReadOnly, SystemIoFailure,
    };
    let StoreError::Database(error) = error else { return error };
    match error.sqlite_error_code() {
        Some(
            CannotOpen | DiskFull | OutOfMemory | PermissionDenied | ReadOnly | SystemIoFailure,
        ) => StoreError::Database(error),
        _ => StoreError::Broken { path, why: error.to_string() },
    }
}

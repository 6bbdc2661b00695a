//! Files of the CA's directory: secret where they must be, never half-written, never overwritten
//! unless asked.

use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::cli::pki::PkiError;
use crate::limits::FILE_BYTES_MAX;

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Access {
    /// Everybody: certificates and lists.
    Public,
    /// Only the owner: keys.
    Secret,
}

/// Makes the directory, with its parents, where it is missing; closed to others, it holds keys.
pub(super) fn make_directory(dir: &Path) -> Result<(), PkiError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|error| PkiError::Write(dir.to_owned(), error))
}

/// Writes all files, or none where one exists and `force` is not given.
pub(in crate::cli) fn write_all(
    files: &[(PathBuf, &str, Access)],
    force: bool,
) -> Result<(), PkiError> {
    if !force && let Some((path, ..)) = files.iter().find(|(path, ..)| path.exists()) {
        return Err(PkiError::Exists(path.clone()));
    }
    for (path, text, access) in files {
        write(path, text, *access).map_err(|error| PkiError::Write(path.clone(), error))?;
    }
    Ok(())
}

/// Writes beside the file and renames, so that whoever watches it never reads half of it.
fn write(path: &Path, text: &str, access: Access) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let mode = match access {
        Access::Public => 0o644,
        Access::Secret => 0o600,
    };
    // A leftover of an interrupted run would keep its own mode.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

pub(super) fn read(path: &Path) -> Result<String, PkiError> {
    let mut text = String::new();
    fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text))
        .map_err(|error| PkiError::Read(path.to_owned(), error))?;
    Ok(text)
}

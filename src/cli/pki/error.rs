//! Why `causeway pki` did nothing.

use std::error::Error;
use std::path::PathBuf;
use std::{fmt, io};

use crate::tls::IssueError;

/// Why `causeway pki` did nothing.
#[derive(Debug)]
pub enum PkiError {
    /// A file that would be overwritten.
    Exists(PathBuf),
    /// There is no CA in the directory.
    NoAuthority(PathBuf),
    /// A file cannot be read.
    Read(PathBuf, io::Error),
    /// A file cannot be written.
    Write(PathBuf, io::Error),
    /// An output name that would leave the directory or hit the CA's own files.
    BadName(String),
    /// The certificate cannot be made.
    Issue(IssueError),
}

impl fmt::Display for PkiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists(path) => write!(
                f,
                "{} exists already and is left as it is; give --force to replace it",
                path.display()
            ),
            Self::NoAuthority(dir) => write!(
                f,
                "there is no CA in {0}; make one with: causeway pki init --dir {0}",
                dir.display()
            ),
            Self::Read(path, error) => write!(f, "{} cannot be read: {error}", path.display()),
            Self::Write(path, error) => write!(f, "{} cannot be written: {error}", path.display()),
            Self::BadName(name) => write!(
                f,
                "{name:?} cannot be the name of a certificate's files; use letters, digits, '.', \
                 '-' and '_', and not the CA's own name"
            ),
            Self::Issue(error) => error.fmt(f),
        }
    }
}

impl Error for PkiError {}

impl From<IssueError> for PkiError {
    fn from(error: IssueError) -> Self {
        Self::Issue(error)
    }
}

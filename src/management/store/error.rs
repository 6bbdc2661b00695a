//! Why the store did not do what it was asked to.

use std::{io, path::PathBuf};

/// Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory or the file cannot be had.
    #[error("{}: {why}; check that the directory exists and is this user's", path.display())]
    Place {
        /// Which.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// Another process has it.
    #[error(
        "{}: another process uses it; stop that one, or give this one a directory of its own",
        .0.display()
    )]
    Taken(PathBuf),
    /// It is none of ours, or broken.
    #[error(
        "{}: {why}; put it aside and restore a backup, or start without it", path.display()
    )]
    Broken {
        /// Which.
        path: PathBuf,
        /// How.
        why: String,
    },
    /// It is of a later version.
    #[error(
        "{}: it has form {found}, this version knows {known}; use the version that wrote it",
        path.display()
    )]
    Newer {
        /// Which.
        path: PathBuf,
        /// Its form.
        found: i64,
        /// The latest form that is known.
        known: i64,
    },
    /// There is one already.
    #[error("{0} exists already")]
    Exists(String),
    /// There is none.
    #[error("{0} does not exist")]
    Unknown(String),
    /// There are as many as there may be.
    #[error("there are {max} {what} already; delete one first")]
    Full {
        /// Of what.
        what: &'static str,
        /// So many.
        max: usize,
    },
    /// It is too large to be taken along in one piece.
    #[error(
        "the store has {bytes} bytes, more than the {max} that a backup may hold; delete what is \
         not needed, or copy the state directory while the connector is stopped"
    )]
    Large {
        /// So large.
        bytes: usize,
        /// So large may it be.
        max: usize,
    },
    /// The database says no: a full disk, most likely.
    #[error("the store cannot be used: {0}; nothing was changed")]
    Database(#[from] rusqlite::Error),
}

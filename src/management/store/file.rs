//! The file: opened by one process, checked, brought to the form this version knows.

use std::{
    fs::{self, DirBuilder, Permissions},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use super::{StoreError, aside};

pub(super) const NAME: &str = "store.sqlite";

/// Brings each form to the next one; the first makes it. What is released is never changed.
const FORMS: [&str; 4] = [
    include_str!("form-1.sql"),
    include_str!("form-2.sql"),
    include_str!("form-3.sql"),
    include_str!("form-4.sql"),
];

/// An open store.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl Store {
    /// Opens the store in a directory, which is made if it is not there.
    ///
    /// # Errors
    /// It cannot be had, is another process's, is broken, or is of a later version.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join(NAME);
        let place = |why| StoreError::Place { path: path.clone(), why };
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(place)?;
        // SQLite gives its journal the mode of the file, so that has it before there is one.
        let file = fs::OpenOptions::new().append(true).create(true).open(&path);
        file.and_then(|file| file.set_permissions(Permissions::from_mode(0o600))).map_err(place)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let said = |error| judge(&path, error);
        let mut connection = Connection::open_with_flags(&path, flags).map_err(said)?;
        prepare(&connection).map_err(said)?;
        check(&connection, &path)?;
        upgrade(&mut connection, &path)?;
        aside::sweep(directory);
        Ok(Self { path, connection: Mutex::new(connection) })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a copy that can be opened in its place.
    ///
    /// # Errors
    /// The copy cannot be written.
    pub fn back_up(&self, to: &Path) -> Result<(), StoreError> {
        let to = to.to_string_lossy();
        self.lock().execute("VACUUM INTO ?1", [to]).map(drop).map_err(StoreError::from)
    }

    /// Looks at what is there.
    pub(super) fn read<T>(
        &self,
        look: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        Ok(look(&self.lock())?)
    }

    /// Changes something, wholly or not at all; on the disk when this returns.
    pub(super) fn write<T>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.lock();
        let transaction = Self::begin(&mut connection)?;
        let made = change(&transaction)?;
        transaction.commit()?;
        Ok(made)
    }

    /// Rolled back where it is dropped.
    pub(super) fn begin(connection: &mut Connection) -> Result<Transaction<'_>, StoreError> {
        Ok(connection.transaction_with_behavior(TransactionBehavior::Immediate)?)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Connection> {
        // A panic in the middle rolled its transaction back.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    // Exclusive: the lock is held until the process ends, however that ends, and no memory is
    // shared with others.
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    // What is deleted may be a key.
    connection.pragma_update(None, "secure_delete", true)?;
    // Takes the lock now, not at the first change.
    connection.execute_batch("BEGIN IMMEDIATE; COMMIT")
}

fn judge(path: &Path, error: rusqlite::Error) -> StoreError {
    let path = path.to_path_buf();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Taken(path),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            StoreError::Broken { path, why: error.to_string() }
        }
        _ => StoreError::Database(error),
    }
}

fn check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let said: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| judge(path, error))?;
    if said == "ok" {
        return Ok(());
    }
    Err(StoreError::Broken { path: path.to_path_buf(), why: said })
}

fn upgrade(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = FORMS.len() as i64;
    let Some(missing) = usize::try_from(found).ok().and_then(|found| FORMS.get(found..)) else {
        return Err(StoreError::Newer { path: path.to_path_buf(), found, known });
    };
    if missing.is_empty() {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for form in missing {
        transaction.execute_batch(form)?;
    }
    transaction.pragma_update(None, "user_version", known)?;
    Ok(transaction.commit()?)
}

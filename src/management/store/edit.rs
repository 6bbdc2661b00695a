//! A change: what it does and its line in the log of changes are kept together, or neither is.

use rusqlite::{Connection, params};

use super::{Store, StoreError};
use crate::limits;

/// Who changes something, and when.
#[derive(Clone, Copy, Debug)]
pub struct By<'b> {
    /// Milliseconds since 1970.
    pub at: i64,
    /// The account.
    pub account: &'b str,
    /// The address it comes from.
    pub source: &'b str,
}

/// A change under way. What one of its steps did is undone if a later one fails.
pub struct Edit<'e> {
    pub(super) db: &'e Connection,
}

impl std::fmt::Debug for Edit<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Edit").finish_non_exhaustive()
    }
}

impl Store {
    /// Changes something, and writes down what `work` says that was: all of it is on the disk when
    /// this returns, or nothing is. Says the same in turn.
    ///
    /// # Errors
    /// `work` fails, or the store cannot be written.
    pub fn change<T, E: From<StoreError>>(
        &self,
        by: &By<'_>,
        work: impl FnOnce(&Edit<'_>) -> Result<(T, String), E>,
    ) -> Result<(T, String), E> {
        let mut connection = self.lock();
        let transaction = Self::begin(&mut connection)?;
        let (made, what) = work(&Edit { db: &transaction })?;
        note(&transaction, by, &what)?;
        transaction.commit().map_err(StoreError::from)?;
        Ok((made, what))
    }
}

/// The oldest beyond [`limits::CHANGES_KEPT`] is forgotten.
fn note(db: &Connection, by: &By<'_>, what: &str) -> Result<(), StoreError> {
    let By { at, account, source } = by;
    db.prepare_cached("INSERT INTO changes (at, account, source, what) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![at, account, source, what])?;
    let last = db.last_insert_rowid();
    let kept = i64::try_from(limits::CHANGES_KEPT).unwrap_or(i64::MAX);
    db.prepare_cached("DELETE FROM changes WHERE number <= ?1")?.execute([last - kept])?;
    Ok(())
}

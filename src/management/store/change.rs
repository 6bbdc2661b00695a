//! Who changed what, as far back as there is room: read here, written with each change.

use rusqlite::params;

use super::{Store, StoreError};

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// From 1; gaps are changes that are forgotten.
    pub number: i64,
    /// Milliseconds since 1970.
    pub at: i64,
    /// Whose; empty is nobody's in particular.
    pub account: String,
    /// The address it came from.
    pub source: String,
    /// In words, without secrets.
    pub what: String,
}

impl Store {
    /// The last ones, newest first; `before` goes on behind an earlier page.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn changes(&self, before: Option<i64>, count: usize) -> Result<Vec<Change>, StoreError> {
        self.read(|db| {
            let sql = "SELECT number, at, account, source, what FROM changes
                       WHERE number < ?1 ORDER BY number DESC LIMIT ?2";
            let of_row = |row: &rusqlite::Row<'_>| {
                Ok(Change {
                    number: row.get(0)?,
                    at: row.get(1)?,
                    account: row.get(2)?,
                    source: row.get(3)?,
                    what: row.get(4)?,
                })
            };
            let mut query = db.prepare_cached(sql)?;
            let rows = query.query_map(params![before.unwrap_or(i64::MAX), count], of_row)?;
            rows.collect()
        })
    }
}

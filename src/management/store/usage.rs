//! Bytes of each channel by the hour, for a day.

use rusqlite::params;

use super::{Store, StoreError};
use crate::limits;

/// What a channel carried in one hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hour {
    /// The channel.
    pub channel: i64,
    /// Hours since 1970.
    pub hour: i64,
    /// Bytes from the service.
    pub received: u64,
    /// Bytes to the service.
    pub sent: u64,
}

impl Store {
    /// Adds to the hours of channels that still are; hours that are too old are forgotten.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn add_usage(&self, hours: &[Hour]) -> Result<(), StoreError> {
        let Some(newest) = hours.iter().map(|one| one.hour).max() else { return Ok(()) };
        self.write(|db| {
            let mut add = db.prepare_cached(
                "INSERT INTO hours (channel, hour, received, sent)
                 SELECT ?1, ?2, ?3, ?4 FROM channels WHERE id = ?1
                 ON CONFLICT DO UPDATE SET received = received + ?3, sent = sent + ?4",
            )?;
            for Hour { channel, hour, received, sent } in hours {
                add.execute(params![channel, hour, received, sent])?;
            }
            db.prepare_cached("DELETE FROM hours WHERE hour <= ?1")?
                .execute([newest - limits::USAGE_HOURS_KEPT])?;
            Ok(())
        })
    }

    /// What is known, oldest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn usage(&self) -> Result<Vec<Hour>, StoreError> {
        self.read(|db| {
            let mut query = db.prepare_cached(
                "SELECT channel, hour, received, sent FROM hours ORDER BY hour, channel",
            )?;
            let rows = query.query_map([], |row| {
                Ok(Hour {
                    channel: row.get(0)?,
                    hour: row.get(1)?,
                    received: row.get(2)?,
                    sent: row.get(3)?,
                })
            })?;
            rows.collect()
        })
    }

    /// Forgets all of it.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn reset_usage(&self) -> Result<(), StoreError> {
        self.write(|db| Ok(db.execute("DELETE FROM hours", []).map(drop)?))
    }
}

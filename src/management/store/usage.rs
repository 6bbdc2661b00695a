//! Bytes of each channel: by the hour, for a day, and in all. Channels of the configuration file
//! have some, too; those are told by their ids.

use rusqlite::{Connection, Row, params};

use super::{Edit, Store, StoreError};
use crate::limits;

/// The setting with the time since when totals are counted.
const SINCE: &str = "use_since";

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

/// What a channel carried in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    /// The channel.
    pub channel: i64,
    /// Bytes from the service.
    pub received: u64,
    /// Bytes to the service.
    pub sent: u64,
}

/// What all channels carried since some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Milliseconds since 1970.
    pub since: i64,
    /// In the order of ids; one that carried nothing is missing.
    pub totals: Vec<Total>,
}

impl Store {
    /// Adds to hours and totals of channels that still are: those of the store, and of the
    /// configuration file these. Hours that are too old are forgotten, and what the file does not
    /// name any more.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn add_usage(&self, hours: &[Hour], of_file: &[i64]) -> Result<(), StoreError> {
        let Some(newest) = hours.iter().map(|one| one.hour).max() else { return Ok(()) };
        self.write(|db| {
            for one in hours {
                add(db, one, of_file)?;
            }
            db.prepare_cached("DELETE FROM hours WHERE hour <= ?1")?
                .execute([newest - limits::USAGE_HOURS_KEPT])?;
            forget_all_but(db, of_file)
        })
    }

    /// Hours from this one on that are known, oldest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn usage(&self, from_hour: i64) -> Result<Vec<Hour>, StoreError> {
        let of_row = |row: &Row<'_>| {
            Ok(Hour {
                channel: row.get(0)?,
                hour: row.get(1)?,
                received: row.get(2)?,
                sent: row.get(3)?,
            })
        };
        self.read(|db| {
            let sql = "SELECT channel, hour, received, sent FROM hours WHERE hour >= ?1
                       ORDER BY hour, channel";
            db.prepare_cached(sql)?.query_map([from_hour], of_row)?.collect()
        })
    }

    /// What each carried in all.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn totals(&self) -> Result<Totals, StoreError> {
        let of_row = |row: &Row<'_>| {
            Ok(Total { channel: row.get(0)?, received: row.get(1)?, sent: row.get(2)? })
        };
        self.read(|db| {
            let sql = "SELECT CAST(value AS INTEGER) FROM settings WHERE name = ?1";
            let since = db.prepare_cached(sql)?.query_row([SINCE], |row| row.get(0))?;
            let sql = "SELECT channel, received, sent FROM totals ORDER BY channel";
            let totals = db.prepare_cached(sql)?.query_map([], of_row)?.collect::<Result<_, _>>();
            Ok(Totals { since, totals: totals? })
        })
    }
}

impl Edit<'_> {
    /// Forgets all use; `now`, in milliseconds since 1970, is since when it is counted again.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn reset_usage(&self, now: i64) -> Result<(), StoreError> {
        self.db.execute("DELETE FROM hours", [])?;
        self.db.execute("DELETE FROM totals", [])?;
        let sql = "UPDATE settings SET value = ?2 WHERE name = ?1";
        self.db.execute(sql, params![SINCE, now.to_string()])?;
        Ok(())
    }
}

fn add(db: &Connection, one: &Hour, of_file: &[i64]) -> Result<(), StoreError> {
    let Hour { channel, hour, received, sent } = one;
    let known = of_file.contains(channel)
        || db.prepare_cached("SELECT 1 FROM channels WHERE id = ?1")?.exists([channel])?;
    if !known {
        return Ok(());
    }
    let sql = "INSERT INTO hours VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT DO UPDATE SET received = received + ?3, sent = sent + ?4";
    db.prepare_cached(sql)?.execute(params![channel, hour, received, sent])?;
    let sql = "INSERT INTO totals VALUES (?1, ?2, ?3)
               ON CONFLICT DO UPDATE SET received = received + ?2, sent = sent + ?3";
    db.prepare_cached(sql)?.execute(params![channel, received, sent])?;
    Ok(())
}

/// Of the file's channels all but these.
fn forget_all_but(db: &Connection, of_file: &[i64]) -> Result<(), StoreError> {
    let mut query = db.prepare_cached("SELECT channel FROM totals WHERE channel > ?1")?;
    let rows = query.query_map([limits::CHANNEL_ID_MANAGED_MAX], |row| row.get::<_, i64>(0))?;
    for id in rows.collect::<Result<Vec<i64>, _>>()? {
        if !of_file.contains(&id) {
            db.prepare_cached("DELETE FROM hours WHERE channel = ?1")?.execute([id])?;
            db.prepare_cached("DELETE FROM totals WHERE channel = ?1")?.execute([id])?;
        }
    }
    Ok(())
}

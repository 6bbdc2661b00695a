//! All of a store at a time, put in the place of what another one has.

use rusqlite::params;

use super::{Account, Channel, Edit, Store, StoreError, Subaccount, channel};
use crate::limits::{ACCOUNTS_MAX, CERTIFICATE_REQUESTS_MAX, CHANNELS_MANAGED_MAX};

/// What people made of a store: all but what channels carried, who changed what, and settings,
/// which are this process's own. `Debug` shows no key.
pub struct Contents {
    /// Every subaccount.
    pub subaccounts: Vec<Subaccount>,
    /// Every channel.
    pub channels: Vec<Channel>,
    /// Every account.
    pub accounts: Vec<Account>,
    /// Certificates that are asked for: id, region host, subaccount, key.
    requests: Vec<(i64, String, String, String)>,
    /// The last id that was given in a table.
    last_ids: Vec<(String, i64)>,
}

impl std::fmt::Debug for Contents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { subaccounts, channels, accounts, .. } = self;
        f.debug_struct("Contents")
            .field("subaccounts", subaccounts)
            .field("channels", channels)
            .field("accounts", accounts)
            .finish_non_exhaustive()
    }
}

impl Contents {
    /// Reads them.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn of(store: &Store) -> Result<Self, StoreError> {
        let (subaccounts, channels) = (store.subaccounts()?, store.channels()?);
        let accounts = store.accounts()?;
        let (requests, last_ids) = store.read(|db| {
            let sql = "SELECT id, region_host, subaccount, private_key FROM certificate_requests
                       ORDER BY id";
            let of_row =
                |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
            let requests = db.prepare(sql)?.query_map([], of_row)?.collect::<Result<_, _>>()?;
            let sql = "SELECT name, seq FROM sqlite_sequence
                       WHERE name IN ('channels', 'certificate_requests')";
            let of_row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
            let last_ids = db.prepare(sql)?.query_map([], of_row)?.collect::<Result<_, _>>()?;
            Ok((requests, last_ids))
        })?;
        Ok(Self { subaccounts, channels, accounts, requests, last_ids })
    }
}

impl Edit<'_> {
    /// Puts them in the place of what there is. Ids stay what they were there, and those that
    /// were given there or here are given no more.
    ///
    /// # Errors
    /// There are too many of something, or the store cannot be written.
    pub fn replace_all(&self, contents: &Contents) -> Result<(), StoreError> {
        let Contents { subaccounts, channels, accounts, requests, last_ids } = contents;
        let db = self.db;
        // Channels go with their subaccounts, and what they carried with them.
        for table in ["subaccounts", "accounts", "certificate_requests"] {
            db.execute(&format!("DELETE FROM {table}"), [])?;
        }
        few("channels", channels.len(), CHANNELS_MANAGED_MAX)?;
        few("accounts", accounts.len(), ACCOUNTS_MAX)?;
        few("certificate requests", requests.len(), CERTIFICATE_REQUESTS_MAX)?;
        for one in subaccounts {
            self.add_subaccount(one)?;
        }
        for Channel { id, owner, enabled, made } in channels {
            channel::put(db, Some(*id), owner, *enabled, made)?;
        }
        for one in accounts {
            self.add_account(one)?;
        }
        let mut add = db.prepare("INSERT INTO certificate_requests VALUES (?1, ?2, ?3, ?4)")?;
        for (id, region_host, subaccount, private_key) in requests {
            add.execute(params![id, region_host, subaccount, private_key])?;
        }
        for (table, last) in last_ids {
            let sql = "UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1";
            if db.execute(sql, params![table, last])? == 0 {
                db.execute("INSERT INTO sqlite_sequence VALUES (?1, ?2)", params![table, last])?;
            }
        }
        Ok(())
    }
}

fn few(what: &'static str, count: usize, max: usize) -> Result<(), StoreError> {
    if count > max { Err(StoreError::Full { what, max }) } else { Ok(()) }
}

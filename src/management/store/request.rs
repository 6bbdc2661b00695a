//! Certificates that are asked for: the key waits here until its certificate comes.

use rusqlite::{OptionalExtension, params};

use super::{Edit, Owner, Store, StoreError};
use crate::limits;

const MATCHES: &str = "id = ?1 AND region_host = ?2 AND subaccount = ?3";

impl Store {
    /// The key of a request for a subaccount, PEM.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn requested_key(&self, owner: &Owner, id: i64) -> Result<Option<String>, StoreError> {
        self.read(|db| {
            let sql = format!("SELECT private_key FROM certificate_requests WHERE {MATCHES}");
            let names = params![id, owner.region_host, owner.subaccount];
            db.prepare_cached(&sql)?.query_row(names, |row| row.get(0)).optional()
        })
    }
}

impl Edit<'_> {
    /// Adds one; says its id, which is never another one's. The oldest beyond
    /// [`limits::CERTIFICATE_REQUESTS_MAX`] is forgotten with its key.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn add_request(&self, owner: &Owner, private_key: &str) -> Result<i64, StoreError> {
        let sql = "INSERT INTO certificate_requests (region_host, subaccount, private_key)
                   VALUES (?1, ?2, ?3)";
        let names = params![owner.region_host, owner.subaccount, private_key];
        self.db.prepare_cached(sql)?.execute(names)?;
        let id = self.db.last_insert_rowid();
        let sql = "DELETE FROM certificate_requests WHERE id NOT IN
                   (SELECT id FROM certificate_requests ORDER BY id DESC LIMIT ?1)";
        self.db.prepare_cached(sql)?.execute([limits::CERTIFICATE_REQUESTS_MAX])?;
        Ok(id)
    }

    /// Uses one up; its key goes with the certificate.
    ///
    /// # Errors
    /// There is none of that id for that subaccount.
    pub fn use_request(&self, owner: &Owner, id: i64) -> Result<(), StoreError> {
        let sql = format!("DELETE FROM certificate_requests WHERE {MATCHES}");
        let names = params![id, owner.region_host, owner.subaccount];
        match self.db.prepare_cached(&sql)?.execute(names)? {
            0 => Err(StoreError::Unknown(format!("Certificate request with id {id}"))),
            _ => Ok(()),
        }
    }
}

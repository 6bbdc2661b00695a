//! Subaccounts, each with what it proves itself by.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Edit, Store, StoreError};
use crate::limits;

/// What tells a subaccount from others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// The host its region is known by.
    pub region_host: String,
    /// Its id.
    pub subaccount: String,
}

impl std::fmt::Display for Owner {
    /// As the incumbent writes it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "'{}@{}'", self.subaccount, self.region_host)
    }
}

/// A subaccount. `Debug` shows no key.
#[derive(Clone, PartialEq, Eq)]
pub struct Subaccount {
    /// Which.
    pub owner: Owner,
    /// The location id of this connector; empty is the default.
    pub location: String,
    /// What people call it.
    pub display_name: String,
    /// What else they say of it.
    pub description: String,
    /// Whether it is to be connected.
    pub connected: bool,
    /// Whether only administrators may change it.
    pub managed: bool,
    /// PEM: its certificate and what leads to its authority; `None` while one is asked for.
    pub certificate: Option<String>,
    /// PEM: the key of its certificate.
    pub private_key: String,
    /// PEM: the authorities its proxies are trusted by.
    pub authorities: String,
    /// Milliseconds since 1970.
    pub created_at: i64,
}

impl std::fmt::Debug for Subaccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subaccount")
            .field("owner", &self.owner)
            .field("location", &self.location)
            .field("connected", &self.connected)
            .finish_non_exhaustive()
    }
}

const COLUMNS: &str = "region_host, subaccount, location, display_name, description, connected, \
                       managed, certificate, private_key, authorities, created_at";

fn of_row(row: &Row<'_>) -> rusqlite::Result<Subaccount> {
    Ok(Subaccount {
        owner: Owner { region_host: row.get(0)?, subaccount: row.get(1)? },
        location: row.get(2)?,
        display_name: row.get(3)?,
        description: row.get(4)?,
        connected: row.get(5)?,
        managed: row.get(6)?,
        certificate: row.get(7)?,
        private_key: row.get(8)?,
        authorities: row.get(9)?,
        created_at: row.get(10)?,
    })
}

impl Store {
    /// Every subaccount, in the order of their names.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn subaccounts(&self) -> Result<Vec<Subaccount>, StoreError> {
        self.read(|db| {
            let sql = format!("SELECT {COLUMNS} FROM subaccounts ORDER BY 1, 2");
            db.prepare_cached(&sql)?.query_map([], of_row)?.collect()
        })
    }

    /// One of them.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn subaccount(&self, owner: &Owner) -> Result<Option<Subaccount>, StoreError> {
        self.read(|db| find(db, owner))
    }
}

impl Edit<'_> {
    /// Adds one.
    ///
    /// # Errors
    /// There is one, or there are too many.
    pub fn add_subaccount(&self, one: &Subaccount) -> Result<(), StoreError> {
        let db = self.db;
        if find(db, &one.owner)?.is_some() {
            return Err(StoreError::Exists(format!("Subaccount {}", one.owner)));
        }
        let max = limits::SUBACCOUNTS_MANAGED_MAX;
        let count: usize = db.query_row("SELECT count(*) FROM subaccounts", [], |r| r.get(0))?;
        if count >= max {
            return Err(StoreError::Full { what: "subaccounts", max });
        }
        put(db, one)
    }

    /// Puts one in the place of what it was.
    ///
    /// # Errors
    /// There is none.
    pub fn change_subaccount(
        &self,
        owner: &Owner,
        change: impl FnOnce(&mut Subaccount),
    ) -> Result<Subaccount, StoreError> {
        let db = self.db;
        let mut one = find(db, owner)?.ok_or_else(|| unknown(owner))?;
        change(&mut one);
        put(db, &one)?;
        Ok(one)
    }

    /// Deletes one with its channels.
    ///
    /// # Errors
    /// There is none.
    pub fn delete_subaccount(&self, owner: &Owner) -> Result<(), StoreError> {
        let db = self.db;
        let sql = "DELETE FROM subaccounts WHERE region_host = ?1 AND subaccount = ?2";
        match db.execute(sql, params![owner.region_host, owner.subaccount])? {
            0 => Err(unknown(owner)),
            _ => Ok(()),
        }
    }
}

pub(super) fn unknown(owner: &Owner) -> StoreError {
    StoreError::Unknown(format!("Subaccount with value {owner}"))
}

pub(super) fn find(db: &Connection, owner: &Owner) -> rusqlite::Result<Option<Subaccount>> {
    let sql =
        format!("SELECT {COLUMNS} FROM subaccounts WHERE region_host = ?1 AND subaccount = ?2");
    db.prepare_cached(&sql)?
        .query_row(params![owner.region_host, owner.subaccount], of_row)
        .optional()
}

fn put(db: &Connection, one: &Subaccount) -> Result<(), StoreError> {
    let sql = format!(
        "INSERT INTO subaccounts ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT DO UPDATE SET location = ?3, display_name = ?4, description = ?5,
         connected = ?6, managed = ?7, certificate = ?8, private_key = ?9, authorities = ?10"
    );
    db.prepare_cached(&sql)?.execute(params![
        one.owner.region_host,
        one.owner.subaccount,
        one.location,
        one.display_name,
        one.description,
        one.connected,
        one.managed,
        one.certificate,
        one.private_key,
        one.authorities,
        one.created_at,
    ])?;
    Ok(())
}

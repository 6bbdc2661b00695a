//! Accounts: who may use REST and page, and how they show who they are.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Edit, Store, StoreError};
use crate::limits;

/// An account as it is kept. `Debug` shows no hash.
#[derive(Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name; letter case counts.
    pub name: String,
    /// The name of its role.
    pub role: String,
    /// The hash of its password, as a PHC string; `None` where it has none.
    pub password: Option<String>,
    /// SHA-256 of its client certificate, in hexadecimal; `None` where it has none.
    pub certificate: Option<String>,
    /// Milliseconds since 1970.
    pub created_at: i64,
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, role, .. } = self;
        f.debug_struct("Account").field("name", name).field("role", role).finish_non_exhaustive()
    }
}

const COLUMNS: &str = "name, role, password, certificate, created_at";

fn of_row(row: &Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account {
        name: row.get(0)?,
        role: row.get(1)?,
        password: row.get(2)?,
        certificate: row.get(3)?,
        created_at: row.get(4)?,
    })
}

impl Store {
    /// Every account, in the order of names.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        self.read(|db| {
            let sql = format!("SELECT {COLUMNS} FROM accounts ORDER BY name");
            db.prepare_cached(&sql)?.query_map([], of_row)?.collect()
        })
    }

    /// The account of that name.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn account(&self, name: &str) -> Result<Option<Account>, StoreError> {
        self.read(|db| find(db, name))
    }

    /// The account that shows a certificate.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn account_of_certificate(&self, sha256: &str) -> Result<Option<Account>, StoreError> {
        self.read(|db| {
            let sql = format!("SELECT {COLUMNS} FROM accounts WHERE certificate = ?1");
            db.prepare_cached(&sql)?.query_row([sha256], of_row).optional()
        })
    }

    /// A value that is kept by name.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        self.read(|db| {
            let mut query = db.prepare_cached("SELECT value FROM settings WHERE name = ?1")?;
            query.query_row([name], |row| row.get(0)).optional()
        })
    }

    /// Keeps a value by name, or none any more.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn set_setting(&self, name: &str, value: Option<&str>) -> Result<(), StoreError> {
        self.write(|db| {
            match value {
                None => db.execute("DELETE FROM settings WHERE name = ?1", [name])?,
                Some(value) => db.execute(
                    "INSERT INTO settings VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2",
                    params![name, value],
                )?,
            };
            Ok(())
        })
    }
}

impl Edit<'_> {
    /// Adds one.
    ///
    /// # Errors
    /// There is one of that name, or there are too many.
    pub fn add_account(&self, one: &Account) -> Result<(), StoreError> {
        let db = self.db;
        if find(db, &one.name)?.is_some() {
            return Err(StoreError::Exists(format!("Account {}", one.name)));
        }
        let max = limits::ACCOUNTS_MAX;
        let count: usize = db.query_row("SELECT count(*) FROM accounts", [], |r| r.get(0))?;
        if count >= max {
            return Err(StoreError::Full { what: "accounts", max });
        }
        put(db, one)
    }

    /// How many have a role.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn accounts_of(&self, role: &str) -> Result<usize, StoreError> {
        let sql = "SELECT count(*) FROM accounts WHERE role = ?1";
        Ok(self.db.query_row(sql, [role], |row| row.get(0))?)
    }

    /// Adds the first one, which uses up a setting that has to have that value; whether it had,
    /// and there was no account.
    ///
    /// # Errors
    /// The store cannot be written.
    pub fn add_first_account(
        &self,
        one: &Account,
        setting: &str,
        value: &str,
    ) -> Result<bool, StoreError> {
        let db = self.db;
        let count: usize = db.query_row("SELECT count(*) FROM accounts", [], |r| r.get(0))?;
        let sql = "DELETE FROM settings WHERE name = ?1 AND value = ?2";
        if count > 0 || db.execute(sql, [setting, value])? == 0 {
            return Ok(false);
        }
        put(db, one)?;
        Ok(true)
    }

    /// Changes one; says what it is.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn change_account(
        &self,
        name: &str,
        change: impl FnOnce(&mut Account),
    ) -> Result<Account, StoreError> {
        let db = self.db;
        let mut one = find(db, name)?.ok_or_else(|| unknown(name))?;
        change(&mut one);
        put(db, &one)?;
        Ok(one)
    }

    /// Deletes one.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn delete_account(&self, name: &str) -> Result<(), StoreError> {
        match self.db.execute("DELETE FROM accounts WHERE name = ?1", [name])? {
            0 => Err(unknown(name)),
            _ => Ok(()),
        }
    }
}

fn unknown(name: &str) -> StoreError {
    StoreError::Unknown(format!("Account {name}"))
}

fn find(db: &Connection, name: &str) -> rusqlite::Result<Option<Account>> {
    let sql = format!("SELECT {COLUMNS} FROM accounts WHERE name = ?1");
    db.prepare_cached(&sql)?.query_row([name], of_row).optional()
}

fn put(db: &Connection, one: &Account) -> Result<(), StoreError> {
    let sql = "SELECT name FROM accounts WHERE certificate = ?1 AND name <> ?2";
    let other = db.query_row(sql, params![one.certificate, one.name], |row| row.get(0)).optional();
    if let Some(other) = other? as Option<String> {
        return Err(StoreError::Exists(format!("an account with this certificate, {other},")));
    }
    let sql = format!(
        "INSERT INTO accounts ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (name) DO UPDATE SET role = ?2, password = ?3, certificate = ?4"
    );
    db.prepare_cached(&sql)?.execute(params![
        one.name,
        one.role,
        one.password,
        one.certificate,
        one.created_at,
    ])?;
    Ok(())
}

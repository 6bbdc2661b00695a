//! Service channels.

use std::net::IpAddr;

use rusqlite::{Connection, OptionalExtension, Row, params, types::Type};

use super::{
    Edit, Owner, Store, StoreError,
    subaccount::{find as find_subaccount, unknown},
};
use crate::{limits, mapping::Network};

/// How a channel's streams ride.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChannelMode {
    /// Many in one tunnel.
    #[default]
    Multiplexed,
    /// Each in a tunnel of its own.
    Direct,
}

impl ChannelMode {
    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Multiplexed => "multiplexed",
            Self::Direct => "direct",
        }
    }

    /// The mode of that name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        [Self::Multiplexed, Self::Direct].into_iter().find(|mode| mode.name() == name)
    }
}

/// What of a channel its maker says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Host of the proxy, perhaps with `:port`.
    pub cluster: String,
    /// The service id.
    pub service: String,
    /// The local port.
    pub port: u16,
    /// Tunnels it keeps.
    pub connections: usize,
    /// What people say of it.
    pub comment: String,
    /// Where it listens.
    pub local_address: IpAddr,
    /// How its streams ride.
    pub mode: ChannelMode,
    /// Whose connections it takes; empty is everybody's.
    pub allowed_sources: Vec<Network>,
    /// Payload bytes a second; 0 is any number.
    pub bytes_per_second_max: u64,
    /// Whether its clients speak TLS.
    pub tls: bool,
}

/// A channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// From 1; never another one's.
    pub id: i64,
    /// Whose it is.
    pub owner: Owner,
    /// Whether it is to be open.
    pub enabled: bool,
    /// What its maker said.
    pub made: Made,
}

const COLUMNS: &str = "id, region_host, subaccount, enabled, cluster, service, port, connections, \
                       comment, local_address, mode, allowed_sources, bytes_per_second_max, \
                       tls";

fn of_row(row: &Row<'_>) -> rusqlite::Result<Channel> {
    let wrong = |column: usize, why: String| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, why.into())
    };
    let address: String = row.get(9)?;
    let mode: String = row.get(10)?;
    let sources: String = row.get(11)?;
    let sources = sources.split_whitespace().map(str::parse);
    Ok(Channel {
        id: row.get(0)?,
        owner: Owner { region_host: row.get(1)?, subaccount: row.get(2)? },
        enabled: row.get(3)?,
        made: Made {
            cluster: row.get(4)?,
            service: row.get(5)?,
            port: row.get(6)?,
            connections: row.get(7)?,
            comment: row.get(8)?,
            local_address: address.parse().map_err(|_| wrong(9, format!("address {address}")))?,
            mode: ChannelMode::of(&mode).ok_or_else(|| wrong(10, format!("mode {mode}")))?,
            allowed_sources: sources.collect::<Result<_, _>>().map_err(|why| wrong(11, why))?,
            bytes_per_second_max: row.get(12)?,
            tls: row.get(13)?,
        },
    })
}

impl Store {
    /// Every channel, newest first.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn channels(&self) -> Result<Vec<Channel>, StoreError> {
        self.read(|db| {
            let sql = format!("SELECT {COLUMNS} FROM channels ORDER BY id DESC");
            db.prepare_cached(&sql)?.query_map([], of_row)?.collect()
        })
    }

    /// Those of a subaccount, newest first.
    ///
    /// # Errors
    /// There is no such subaccount.
    pub fn channels_of(&self, owner: &Owner) -> Result<Vec<Channel>, StoreError> {
        let found = self.read(|db| {
            let sql = format!(
                "SELECT {COLUMNS} FROM channels WHERE region_host = ?1 AND subaccount = ?2
                 ORDER BY id DESC"
            );
            let mut query = db.prepare_cached(&sql)?;
            let rows = query.query_map(params![owner.region_host, owner.subaccount], of_row)?;
            let channels: Vec<Channel> = rows.collect::<Result<_, _>>()?;
            let known = !channels.is_empty() || find_subaccount(db, owner)?.is_some();
            Ok(known.then_some(channels))
        })?;
        found.ok_or_else(|| unknown(owner))
    }

    /// One of a subaccount.
    ///
    /// # Errors
    /// There is no such subaccount, or it has no such channel.
    pub fn channel(&self, owner: &Owner, id: i64) -> Result<Channel, StoreError> {
        let found = self.read(|db| match find(db, owner, id)? {
            None => Ok(Err(find_subaccount(db, owner)?.is_some())),
            Some(channel) => Ok(Ok(channel)),
        })?;
        found.map_err(|known| if known { no_channel(id) } else { unknown(owner) })
    }
}

impl Edit<'_> {
    /// Adds one, not enabled; says its id.
    ///
    /// # Errors
    /// There is no such subaccount, or there are too many channels.
    pub fn add_channel(&self, owner: &Owner, made: &Made) -> Result<i64, StoreError> {
        let db = self.db;
        if find_subaccount(db, owner)?.is_none() {
            return Err(unknown(owner));
        }
        let max = limits::CHANNELS_MANAGED_MAX;
        let count: usize = db.query_row("SELECT count(*) FROM channels", [], |r| r.get(0))?;
        if count >= max {
            return Err(StoreError::Full { what: "channels", max });
        }
        put(db, None, owner, false, made)?;
        Ok(db.last_insert_rowid())
    }

    /// Changes one; says what it was and what it is.
    ///
    /// # Errors
    /// The subaccount has no such channel.
    pub fn change_channel(
        &self,
        owner: &Owner,
        id: i64,
        change: impl FnOnce(&mut Channel),
    ) -> Result<(Channel, Channel), StoreError> {
        let db = self.db;
        let before = find(db, owner, id)?.ok_or_else(|| no_channel(id))?;
        let mut channel = before.clone();
        change(&mut channel);
        put(db, Some(id), owner, channel.enabled, &channel.made)?;
        Ok((before, channel))
    }

    /// Deletes one.
    ///
    /// # Errors
    /// The subaccount has no such channel.
    pub fn delete_channel(&self, owner: &Owner, id: i64) -> Result<Channel, StoreError> {
        let db = self.db;
        let channel = find(db, owner, id)?.ok_or_else(|| no_channel(id))?;
        db.execute("DELETE FROM channels WHERE id = ?1", [id])?;
        Ok(channel)
    }

    /// Deletes all of a subaccount; says how many there were.
    ///
    /// # Errors
    /// There is no such subaccount.
    pub fn delete_channels_of(&self, owner: &Owner) -> Result<usize, StoreError> {
        let db = self.db;
        if find_subaccount(db, owner)?.is_none() {
            return Err(unknown(owner));
        }
        let sql = "DELETE FROM channels WHERE region_host = ?1 AND subaccount = ?2";
        Ok(db.execute(sql, params![owner.region_host, owner.subaccount])?)
    }
}

/// Writes one: the one with that id, or another where none is said.
pub(super) fn put(
    db: &Connection,
    id: Option<i64>,
    owner: &Owner,
    enabled: bool,
    made: &Made,
) -> Result<(), StoreError> {
    let columns = COLUMNS.split(", ");
    let (marks, new): (Vec<_>, Vec<_>) = columns.map(|it| ("?", format!("excluded.{it}"))).unzip();
    // Updated and not replaced: what belongs to it stays.
    let sql = format!(
        "INSERT INTO channels ({COLUMNS}) VALUES ({})
         ON CONFLICT (id) DO UPDATE SET ({COLUMNS}) = ({})",
        marks.join(", "),
        new.join(", ")
    );
    db.prepare_cached(&sql)?.execute(params![
        id,
        owner.region_host,
        owner.subaccount,
        enabled,
        made.cluster,
        made.service,
        made.port,
        made.connections,
        made.comment,
        made.local_address.to_string(),
        made.mode.name(),
        networks(&made.allowed_sources),
        made.bytes_per_second_max,
        made.tls,
    ])?;
    Ok(())
}

fn no_channel(id: i64) -> StoreError {
    StoreError::Unknown(format!("Service channel with id {id}"))
}

fn find(db: &Connection, owner: &Owner, id: i64) -> rusqlite::Result<Option<Channel>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM channels WHERE id = ?1 AND region_host = ?2 AND subaccount = ?3"
    );
    db.prepare_cached(&sql)?
        .query_row(params![id, owner.region_host, owner.subaccount], of_row)
        .optional()
}

fn networks(list: &[Network]) -> String {
    list.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}

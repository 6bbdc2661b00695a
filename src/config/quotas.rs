//! What each subaccount may use of a proxy, and what traffic may make a process hold.

use std::collections::BTreeMap;

use super::document::Document;
use super::raw;
use crate::limits;

/// What one subaccount may use of one proxy, all workers together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuotaConfig {
    /// Streams open.
    pub streams_max: usize,
    /// Tunnels of many streams.
    pub tunnels_max: usize,
    /// Streams asked for in a second, and at once; 0 is any number.
    pub opens_per_second_max: u32,
    /// Payload bytes in a second, both directions together; 0 is any number.
    pub bytes_per_second_max: u64,
}

/// The quota of every subaccount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotasConfig {
    /// Of those that have none of their own.
    pub default: QuotaConfig,
    /// Of those that have.
    pub subaccounts: BTreeMap<String, QuotaConfig>,
}

impl QuotasConfig {
    /// What a subaccount may use.
    #[must_use]
    pub fn of(&self, subaccount: &str) -> QuotaConfig {
        self.subaccounts.get(subaccount).copied().unwrap_or(self.default)
    }
}

/// The keys of a quota, as they are written in one place or the other.
struct Keys<'a> {
    streams: (&'a str, Option<i64>),
    tunnels: (&'a str, Option<i64>),
    opens: (&'a str, Option<i64>),
    bytes: (&'a str, Option<i64>),
}

pub(super) fn read(document: &mut Document<'_>, raw: &raw::ProxyLimits) -> Option<QuotasConfig> {
    let built_in = QuotaConfig {
        streams_max: limits::STREAMS_PER_TENANT_MAX,
        tunnels_max: limits::TUNNELS_PER_TENANT_MAX,
        opens_per_second_max: 0,
        bytes_per_second_max: 0,
    };
    let keys = Keys {
        streams: ("streams_per_subaccount_max", raw.streams_per_subaccount_max),
        tunnels: ("tunnels_per_subaccount_max", raw.tunnels_per_subaccount_max),
        opens: ("opens_per_second_per_subaccount_max", raw.opens_per_second_per_subaccount_max),
        bytes: ("bytes_per_second_per_subaccount_max", raw.bytes_per_second_per_subaccount_max),
    };
    let default = quota(document, "limits", &keys, built_in);
    // A wrong default is one fault and not one for each subaccount.
    let base = default.unwrap_or(built_in);
    let mut subaccounts = BTreeMap::new();
    for (index, raw) in raw.subaccount.iter().enumerate() {
        let table = format!("limits.subaccount[{index}]");
        let key = format!("{table}.id");
        let id = document
            .required(&key, raw.id.as_deref(), "\"…\"")
            .and_then(|id| document.id(&key, id, false));
        let keys = Keys {
            streams: ("streams_max", raw.streams_max),
            tunnels: ("tunnels_max", raw.tunnels_max),
            opens: ("opens_per_second_max", raw.opens_per_second_max),
            bytes: ("bytes_per_second_max", raw.bytes_per_second_max),
        };
        let quota = quota(document, &table, &keys, base);
        // What is missing is a fault of the document, which then has no value.
        let (Some(id), Some(quota)) = (id, quota) else { continue };
        if subaccounts.insert(id, quota).is_some() {
            document.fault(&key, "has a quota already; write one table for each subaccount");
        }
    }
    Some(QuotasConfig { default: default?, subaccounts })
}

fn quota(
    document: &mut Document<'_>,
    table: &str,
    keys: &Keys<'_>,
    default: QuotaConfig,
) -> Option<QuotaConfig> {
    let key = |name: &str| format!("{table}.{name}");
    let streams_max = match keys.streams {
        (_, None) => Some(default.streams_max),
        (name, Some(value)) => document.number(&key(name), value, 1..=usize::MAX),
    };
    let tunnels_max = match keys.tunnels {
        (_, None) => Some(default.tunnels_max),
        (name, Some(value)) => {
            document.number(&key(name), value, 1..=limits::TUNNELS_PER_TENANT_MAX)
        }
    };
    let opens_per_second_max = match keys.opens {
        (_, None) => Some(default.opens_per_second_max),
        (name, Some(value)) => document.number(&key(name), value, 0..=1_000_000),
    };
    let (name, value) = keys.bytes;
    let bytes_per_second_max = bytes_per_second(document, &key(name), value)
        .map(|given| given.unwrap_or(default.bytes_per_second_max));
    Some(QuotaConfig {
        streams_max: streams_max?,
        tunnels_max: tunnels_max?,
        opens_per_second_max: opens_per_second_max?,
        bytes_per_second_max: bytes_per_second_max?,
    })
}

/// How fast bytes may go; 0 is any number, `None` inside when nothing is said.
pub(super) fn bytes_per_second(
    document: &mut Document<'_>,
    key: &str,
    value: Option<i64>,
) -> Option<Option<u64>> {
    match value {
        None => Some(None),
        Some(0) => Some(Some(0)),
        Some(value) => {
            let least = limits::PACE_BYTES_PER_SECOND_MIN;
            let pace = u64::try_from(value).ok().filter(|pace| *pace >= least);
            if pace.is_none() {
                let words = format!("is {value}; write {least} or more, or 0 for any number");
                document.fault(key, words);
            }
            pace.map(Some)
        }
    }
}

/// A budget of memory: `None` inside when it is left to the surroundings.
pub(super) fn memory(document: &mut Document<'_>, value: Option<i64>) -> Option<Option<u64>> {
    match value {
        None => Some(None),
        Some(0) => Some(Some(0)),
        Some(value) => {
            let bounds = limits::MEMORY_BYTES_MIN..=u64::MAX;
            document.number("limits.memory_bytes_max", value, bounds).map(Some)
        }
    }
}

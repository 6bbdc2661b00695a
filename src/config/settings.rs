//! A configuration as a list of keys and values, spelt as in the manual: to tell what differs
//! between two of them, and which of that needs a restart.

use std::fmt::{self, Display};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde_json::Value;

use super::{ChannelConfig, ConnectorConfig, OutboundProxy, ProxyConfig};

/// One key with the value that is in force for it.
#[derive(Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its path, as in `tunnel.listen`; a channel or subaccount is told by its name:
    /// `channel[127.0.0.1:5001].mode`.
    pub key: String,
    value: String,
    secret: bool,
}

impl Setting {
    /// The value as it is written, of a secret only that there is one.
    #[must_use]
    pub fn shown(&self) -> &str {
        if self.secret { "***" } else { &self.value }
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.key, self.shown())
    }
}

/// What differs in one key. Displays as `key: old → new`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key's path.
    pub key: String,
    /// What it was; `None` where it was not there. A secret is masked.
    pub from: Option<String>,
    /// What it is; `None` where it is no longer there. A secret is masked.
    pub to: Option<String>,
}

impl Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
        write!(f, "{}: {} → {}", self.key, shown(&self.from), shown(&self.to))
    }
}

/// What differs between two lists, in the order of the first, then what only the second has.
#[must_use]
pub fn changes(from: &[Setting], to: &[Setting]) -> Vec<Change> {
    let find = |list: &[Setting], key: &str| list.iter().find(|s| s.key == key).cloned();
    let shown = |setting: Option<Setting>| setting.map(|setting| setting.shown().to_owned());
    let mut changes = Vec::new();
    for old in from {
        let new = find(to, &old.key);
        if new.as_ref() != Some(old) {
            let from = Some(old.shown().to_owned());
            changes.push(Change { key: old.key.clone(), from, to: shown(new) });
        }
    }
    for new in to.iter().filter(|new| find(from, &new.key).is_none()) {
        let to = Some(new.shown().to_owned());
        changes.push(Change { key: new.key.clone(), from: None, to });
    }
    changes
}

impl ProxyConfig {
    /// Every key and its value.
    #[must_use]
    pub fn settings(&self) -> Vec<Setting> {
        list(&self.to_json())
    }

    /// This configuration as far as it can take the place of the one in force: what needs a restart
    /// stays as it is there.
    #[must_use]
    pub fn live(&self, in_force: &Self) -> Self {
        let mut live = self.clone();
        live.tunnel.listen = in_force.tunnel.listen;
        live.tunnel.external_host.clone_from(&in_force.tunnel.external_host);
        live.tunnel.external_port = in_force.tunnel.external_port;
        let in_cluster = in_force.mappings.kubernetes().is_some();
        if in_cluster || self.mappings.kubernetes().is_some() {
            live.mappings = in_force.mappings.clone();
            live.tenancy = in_force.tenancy.clone();
        }
        live.workers = in_force.workers.clone();
        live.admin.clone_from(&in_force.admin);
        live.log.format = in_force.log.format;
        live.audit = in_force.audit.clone();
        live.traces.clone_from(&in_force.traces);
        live
    }
}

impl ConnectorConfig {
    /// Every key and its value.
    #[must_use]
    pub fn settings(&self) -> Vec<Setting> {
        let mut list = list(&self.to_json());
        let password = self.outbound_proxy.as_ref().and_then(OutboundProxy::basic);
        if let Some((_, password)) = password {
            for setting in list.iter_mut().filter(|s| s.key == "outbound_proxy.password") {
                (setting.value, setting.secret) = (password.to_owned(), true);
            }
        }
        list
    }

    /// This configuration as far as it can take the place of the one in force: what needs a restart
    /// stays as it is there.
    #[must_use]
    pub fn live(&self, in_force: &Self) -> Self {
        let mut live = self.clone();
        live.workers = in_force.workers.clone();
        live.admin.clone_from(&in_force.admin);
        live.management.clone_from(&in_force.management);
        live.log.format = in_force.log.format;
        live.audit = in_force.audit.clone();
        live.traces.clone_from(&in_force.traces);
        live
    }
}

impl ChannelConfig {
    /// What tells it from others while its other keys change: where it listens, and where that is
    /// any port also where it leads.
    #[must_use]
    pub fn name(&self) -> String {
        channel_name(&self.local, &self.endpoint)
    }
}

fn channel_name(local: &SocketAddr, endpoint: &dyn Display) -> String {
    match local.port() {
        0 => format!("{local} {endpoint}"),
        _ => local.to_string(),
    }
}

/// Flattens a configuration, as it is shown, to its keys. What has no value is left out.
fn list(shown: &Value) -> Vec<Setting> {
    let mut settings = Vec::new();
    flatten("", shown, &mut settings);
    settings
}

fn flatten(key: &str, value: &Value, settings: &mut Vec<Setting>) {
    let value = match value {
        Value::Null => return,
        Value::Object(table) => {
            for (name, value) in table {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                flatten(&key, value, settings);
            }
            return;
        }
        Value::Array(texts) if texts.iter().all(Value::is_string) => {
            if texts.is_empty() {
                return;
            }
            texts.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
        }
        Value::Array(tables) => {
            for table in tables {
                let (name, rest) = named(table.clone());
                flatten(&format!("{key}[{name}]"), &rest, settings);
            }
            return;
        }
        Value::String(text) if text.is_empty() => "\"\"".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    };
    settings.push(Setting { key: key.to_owned(), value, secret: false });
}

/// What tells one of several tables from the others, and the rest of it.
fn named(mut table: Value) -> (String, Value) {
    let mut take = |key: &str| table.as_object_mut().and_then(|table| table.remove(key));
    let text = |value: Option<Value>| match value {
        Some(Value::String(text)) => text,
        other => other.unwrap_or_default().to_string(),
    };
    let name = match take("id") {
        Some(id) => text(Some(id)),
        None => {
            let (address, port) = (text(take("local_address")), text(take("local_port")));
            let unspecified = IpAddr::from(Ipv4Addr::UNSPECIFIED);
            let address = address.parse().unwrap_or(unspecified);
            let local = SocketAddr::new(address, port.parse().unwrap_or_default());
            channel_name(&local, &table["endpoint"].as_str().unwrap_or_default())
        }
    };
    (name, table)
}

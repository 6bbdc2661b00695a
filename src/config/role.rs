//! Which role a file configures, told by its tables.

use std::path::Path;

use super::document::{Document, base_of, read_file};
use super::{ConfigError, ConnectorConfig, ProxyConfig};

/// A configuration file of either role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Config {
    /// `proxy.toml`, whatever its name.
    Proxy(Box<ProxyConfig>),
    /// `connector.toml`, whatever its name.
    Connector(Box<ConnectorConfig>),
}

const PROXY_TABLES: [&str; 4] = ["tunnel", "tenancy", "mappings", "kubernetes"];
const CONNECTOR_TABLES: [&str; 5] =
    ["subaccount", "channel", "tls", "outbound_proxy", "management"];

impl Config {
    /// Reads a file of either role.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = read_file(path)?;
        let mut document = Document::tree(path, base_of(path), &text)?;
        let proxy = PROXY_TABLES.into_iter().find(|table| document.has(table));
        let connector = CONNECTOR_TABLES.into_iter().find(|table| document.has(table));
        match (proxy, connector) {
            (Some(_), None) => ProxyConfig::read(path, base_of(path), &text).map(|config| {
                let file = Some(path.to_path_buf());
                Self::Proxy(Box::new(ProxyConfig { file, ..config }))
            }),
            (None, Some(_)) => ConnectorConfig::read(path, base_of(path), &text).map(|config| {
                let file = Some(path.to_path_buf());
                Self::Connector(Box::new(ConnectorConfig { file, ..config }))
            }),
            (Some(proxy), Some(connector)) => {
                document.fault_of_file(format!(
                    "[{proxy}] belongs to a proxy and [{connector}] to a connector; write one file \
                     for each"
                ));
                Err(document.into_error())
            }
            (None, None) => {
                document.fault_of_file(
                    "is neither a proxy's configuration (no [tunnel]) nor a connector's (no \
                     [subaccount] and no [management]); see config/proxy.toml and \
                     config/connector.toml",
                );
                Err(document.into_error())
            }
        }
    }
}

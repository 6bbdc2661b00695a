//! The configuration files of both roles: TOML as it is written becomes typed values with every
//! default filled in, or an error that names file, line, key and remedy.
//!
//! `config/proxy.toml` and `config/connector.toml` are the manual of every key.

mod admin;
mod audit;
mod channel;
mod checks;
mod connector;
mod document;
mod endpoint;
mod error;
mod fingerprint;
mod live;
mod mappings;
mod outbound;
mod proxy;
mod quotas;
mod raw;
mod role;
mod secret;
mod settings;
mod shared;
mod show;
mod traces;
pub mod watch;

pub use admin::{AdminConfig, ListenerTls, ProbesConfig};
pub use audit::{AuditConfig, AuditSink};
pub use channel::{ChannelConfig, ChannelType, Mode};
pub use connector::{ConnectorConfig, ConnectorLimits, OwnSubaccount};
pub use endpoint::{Endpoint, EndpointError};
pub use error::{ConfigError, Fault};
pub use live::{ConfigStatus, LiveConfig, News, Reloadable, SetLevel};
pub use mappings::{KubernetesConfig, MappingsConfig, WebhookConfig};
pub use outbound::OutboundProxy;
pub use proxy::{ProxyConfig, ProxyLimits, TenancyConfig, TunnelConfig, TunnelTls};
pub use quotas::{QuotaConfig, QuotasConfig};
pub use role::Config;
pub use secret::Secret;
pub use settings::{Change, Setting, changes};
pub use shared::{EngineChoice, LogConfig, LogFormat, Pin, WorkersConfig};
pub use traces::TracesConfig;

//! The files word by word: every key optional, so that what is missing is reported with its
//! remedy where it is needed, and nothing unknown, so that a misspelt key is not ignored.

use std::path::PathBuf;

use serde::Deserialize;

use super::Secret;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Proxy {
    pub(super) tunnel: Tunnel,
    pub(super) tenancy: Tenancy,
    pub(super) mappings: Mappings,
    pub(super) kubernetes: Option<Kubernetes>,
    pub(super) workers: Workers,
    pub(super) limits: ProxyLimits,
    pub(super) admin: Admin,
    pub(super) log: Log,
    pub(super) audit: Audit,
    pub(super) tracing: Tracing,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Tunnel {
    pub(super) listen: Option<String>,
    pub(super) external_host: Option<String>,
    pub(super) external_port: Option<i64>,
    pub(super) strict_sni: Option<bool>,
    pub(super) tls: TunnelTls,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TunnelTls {
    pub(super) certificate: Option<PathBuf>,
    pub(super) private_key: Option<PathBuf>,
    pub(super) client_ca: Option<PathBuf>,
    pub(super) crl: Option<PathBuf>,
    pub(super) allow_tls12: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Tenancy {
    pub(super) mode: Option<String>,
    pub(super) subaccount_id: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Mappings {
    pub(super) directory: Option<PathBuf>,
    pub(super) kubernetes: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Kubernetes {
    pub(super) kubeconfig: Option<PathBuf>,
    pub(super) namespace: Option<String>,
    pub(super) lease_name: Option<String>,
    pub(super) identity: Option<String>,
    pub(super) webhook: Option<Webhook>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Webhook {
    pub(super) listen: Option<String>,
    pub(super) certificate: Option<PathBuf>,
    pub(super) private_key: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Workers {
    pub(super) count: Option<i64>,
    pub(super) engine: Option<String>,
    pub(super) pin: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ProxyLimits {
    pub(super) dial_timeout_seconds: Option<i64>,
    pub(super) half_closed_timeout_seconds: Option<i64>,
    pub(super) idle_timeout_seconds: Option<i64>,
    pub(super) drain_delay_seconds: Option<i64>,
    pub(super) drain_deadline_seconds: Option<i64>,
    pub(super) streams_per_subaccount_max: Option<i64>,
    pub(super) streams_per_tunnel_max: Option<i64>,
    pub(super) handshakes_per_second_max: Option<i64>,
    pub(super) offender_handshakes_per_second: Option<i64>,
    pub(super) tunnels_per_subaccount_max: Option<i64>,
    pub(super) opens_per_second_per_subaccount_max: Option<i64>,
    pub(super) bytes_per_second_per_subaccount_max: Option<i64>,
    pub(super) memory_bytes_max: Option<i64>,
    pub(super) subaccount: Vec<SubaccountLimits>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SubaccountLimits {
    pub(super) id: Option<String>,
    pub(super) streams_max: Option<i64>,
    pub(super) tunnels_max: Option<i64>,
    pub(super) opens_per_second_max: Option<i64>,
    pub(super) bytes_per_second_max: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Admin {
    pub(super) listen: Option<String>,
    pub(super) token_file: Option<PathBuf>,
    pub(super) open_metrics: Option<bool>,
    pub(super) tls: Option<ListenerTls>,
    pub(super) probes: Option<Probes>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ListenerTls {
    pub(super) certificate: Option<PathBuf>,
    pub(super) private_key: Option<PathBuf>,
    pub(super) client_ca: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Probes {
    pub(super) listen: Option<String>,
    pub(super) metrics: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Log {
    pub(super) format: Option<String>,
    pub(super) level: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Audit {
    pub(super) sink: Option<String>,
    pub(super) file: Option<PathBuf>,
    pub(super) rotate_bytes: Option<i64>,
    pub(super) keep_files: Option<i64>,
    pub(super) queue_events: Option<i64>,
    pub(super) required: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Tracing {
    pub(super) otlp_endpoint: Option<String>,
    pub(super) sample_ratio: Option<f64>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Connector {
    pub(super) subaccount: Subaccount,
    pub(super) tls: ConnectorTls,
    pub(super) channel: Vec<Channel>,
    pub(super) local_tls: Option<ListenerTls>,
    pub(super) management: Option<Management>,
    pub(super) outbound_proxy: Option<OutboundProxy>,
    pub(super) workers: Workers,
    pub(super) limits: ConnectorLimits,
    pub(super) admin: Admin,
    pub(super) log: Log,
    pub(super) audit: Audit,
    pub(super) tracing: Tracing,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Subaccount {
    pub(super) id: Option<String>,
    pub(super) location_id: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ConnectorTls {
    pub(super) certificate: Option<PathBuf>,
    pub(super) private_key: Option<PathBuf>,
    pub(super) ca: Option<PathBuf>,
    pub(super) allow_tls12: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Management {
    pub(super) directory: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Channel {
    pub(super) endpoint: Option<String>,
    #[serde(rename = "type")]
    pub(super) service_type: Option<String>,
    pub(super) local_address: Option<String>,
    pub(super) local_port: Option<i64>,
    pub(super) connections: Option<i64>,
    pub(super) mode: Option<String>,
    pub(super) warm_connections: Option<i64>,
    pub(super) allowed_sources: Option<Vec<String>>,
    pub(super) bytes_per_second_max: Option<i64>,
    pub(super) tls: Option<bool>,
    pub(super) enabled: Option<bool>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct OutboundProxy {
    pub(super) url: Option<Secret>,
    pub(super) username: Option<String>,
    pub(super) password: Option<Secret>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ConnectorLimits {
    pub(super) dial_timeout_seconds: Option<i64>,
    pub(super) half_closed_timeout_seconds: Option<i64>,
    pub(super) idle_timeout_seconds: Option<i64>,
    pub(super) drain_delay_seconds: Option<i64>,
    pub(super) drain_deadline_seconds: Option<i64>,
    pub(super) memory_bytes_max: Option<i64>,
}

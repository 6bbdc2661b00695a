//! A configuration as a list of keys and values, spelt as in the manual: to tell what differs
//! between two of them, and which of that needs a restart.

use std::fmt::{self, Display};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::{
    AuditConfig, AuditSink, ChannelConfig, ChannelType, ConnectorConfig, KubernetesConfig,
    LogConfig, LogFormat, MappingsConfig, Mode, Pin, ProxyConfig, QuotaConfig, TenancyConfig,
    TracesConfig, WorkersConfig,
};

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
        let mut list = List::default();
        let tunnel = &self.tunnel;
        list.add("tunnel.listen", tunnel.listen);
        list.add("tunnel.external_host", &tunnel.external_host);
        list.add("tunnel.external_port", tunnel.external_port);
        list.add("tunnel.strict_sni", tunnel.strict_sni);
        let tls = &tunnel.tls;
        list.path("tunnel.tls.certificate", &tls.certificate);
        list.path("tunnel.tls.private_key", &tls.private_key);
        list.path("tunnel.tls.client_ca", &tls.client_ca);
        if let Some(crl) = &tls.crl {
            list.path("tunnel.tls.crl", crl);
        }
        list.add("tunnel.tls.allow_tls12", tls.allow_tls12);
        match &self.tenancy {
            TenancyConfig::Shared => list.add("tenancy.mode", "shared"),
            TenancyConfig::Dedicated { subaccount } => {
                list.add("tenancy.mode", "dedicated");
                list.add("tenancy.subaccount_id", subaccount);
            }
        }
        match &self.mappings {
            MappingsConfig::Directory(directory) => list.path("mappings.directory", directory),
            MappingsConfig::Kubernetes(cluster) => list.kubernetes(cluster),
        }
        list.workers(&self.workers);
        list.proxy_limits(self);
        list.admin_and_log(self.admin, &self.log);
        list.records(&self.audit, self.traces.as_ref());
        list.0
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
        live.admin = in_force.admin;
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
        let mut list = List::default();
        list.add("subaccount.id", &self.subaccount);
        list.add("subaccount.location_id", format_args!("\"{}\"", self.location));
        list.path("tls.certificate", &self.tls.certificate);
        list.path("tls.private_key", &self.tls.private_key);
        list.path("tls.ca", &self.tls.ca);
        list.add("tls.allow_tls12", self.tls.allow_tls12);
        for channel in &self.channels {
            list.channel(channel);
        }
        if let Some(outbound) = &self.outbound_proxy {
            list.add("outbound_proxy.url", format_args!("http://{}", outbound.authority()));
            if let Some((username, password)) = outbound.basic() {
                list.add("outbound_proxy.username", username);
                list.secret("outbound_proxy.password", password);
            }
        }
        list.workers(&self.workers);
        let limits = &self.limits;
        list.seconds("limits.dial_timeout_seconds", Some(limits.dial_timeout));
        list.seconds("limits.half_closed_timeout_seconds", Some(limits.half_closed_timeout));
        list.seconds("limits.idle_timeout_seconds", limits.idle_timeout);
        list.seconds("limits.drain_deadline_seconds", Some(limits.drain_deadline));
        list.memory(limits.memory_bytes_max);
        list.admin_and_log(self.admin, &self.log);
        list.records(&self.audit, self.traces.as_ref());
        list.0
    }

    /// This configuration as far as it can take the place of the one in force: what needs a restart
    /// stays as it is there.
    #[must_use]
    pub fn live(&self, in_force: &Self) -> Self {
        let mut live = self.clone();
        live.workers = in_force.workers.clone();
        live.admin = in_force.admin;
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
        match self.local.port() {
            0 => format!("{} {}", self.local, self.endpoint),
            _ => self.local.to_string(),
        }
    }
}

#[derive(Default)]
struct List(Vec<Setting>);

impl List {
    fn add(&mut self, key: &str, value: impl Display) {
        self.0.push(Setting { key: key.to_owned(), value: value.to_string(), secret: false });
    }

    fn secret(&mut self, key: &str, value: &str) {
        self.0.push(Setting { key: key.to_owned(), value: value.to_owned(), secret: true });
    }

    fn path(&mut self, key: &str, path: &Path) {
        self.add(key, path.display());
    }

    fn seconds(&mut self, key: &str, time: Option<Duration>) {
        self.add(key, time.unwrap_or_default().as_secs());
    }

    fn memory(&mut self, bytes: Option<u64>) {
        if let Some(bytes) = bytes {
            self.add("limits.memory_bytes_max", bytes);
        }
    }

    fn kubernetes(&mut self, cluster: &KubernetesConfig) {
        self.add("mappings.kubernetes", true);
        if let Some(kubeconfig) = &cluster.kubeconfig {
            self.path("kubernetes.kubeconfig", kubeconfig);
        }
        self.add("kubernetes.lease_name", &cluster.lease_name);
        let named = [("namespace", &cluster.namespace), ("identity", &cluster.identity)];
        for (key, value) in named {
            if let Some(value) = value {
                self.add(&format!("kubernetes.{key}"), value);
            }
        }
        if let Some(webhook) = &cluster.webhook {
            self.add("kubernetes.webhook.listen", webhook.listen);
            self.path("kubernetes.webhook.certificate", &webhook.certificate);
            self.path("kubernetes.webhook.private_key", &webhook.private_key);
        }
    }

    fn workers(&mut self, workers: &WorkersConfig) {
        self.add("workers.count", workers.count);
        self.add("workers.engine", workers.engine);
        let pin = match workers.pin {
            Pin::Auto => "auto",
            Pin::Always => "always",
            Pin::Never => "never",
        };
        self.add("workers.pin", pin);
    }

    fn proxy_limits(&mut self, config: &ProxyConfig) {
        let limits = &config.limits;
        self.seconds("limits.dial_timeout_seconds", Some(limits.dial_timeout));
        self.seconds("limits.half_closed_timeout_seconds", Some(limits.half_closed_timeout));
        self.seconds("limits.idle_timeout_seconds", limits.idle_timeout);
        self.seconds("limits.drain_delay_seconds", Some(limits.drain_delay));
        self.seconds("limits.drain_deadline_seconds", Some(limits.drain_deadline));
        self.add("limits.streams_per_tunnel_max", limits.streams_per_tunnel_max);
        self.add("limits.handshakes_per_second_max", limits.handshakes_per_second_max);
        self.add("limits.offender_handshakes_per_second", limits.offender_handshakes_per_second);
        self.memory(limits.memory_bytes_max);
        let QuotaConfig { streams_max, tunnels_max, opens_per_second_max, bytes_per_second_max } =
            limits.quotas.default;
        self.add("limits.streams_per_subaccount_max", streams_max);
        self.add("limits.tunnels_per_subaccount_max", tunnels_max);
        self.add("limits.opens_per_second_per_subaccount_max", opens_per_second_max);
        self.add("limits.bytes_per_second_per_subaccount_max", bytes_per_second_max);
        for (subaccount, quota) in &limits.quotas.subaccounts {
            let mut add = |name: &str, value: u64| {
                self.add(&format!("limits.subaccount[{subaccount}].{name}"), value);
            };
            add("streams_max", quota.streams_max as u64);
            add("tunnels_max", quota.tunnels_max as u64);
            add("opens_per_second_max", quota.opens_per_second_max.into());
            add("bytes_per_second_max", quota.bytes_per_second_max);
        }
    }

    fn channel(&mut self, channel: &ChannelConfig) {
        let name = channel.name();
        let mut add = |key: &str, value: &dyn Display| {
            self.add(&format!("channel[{name}].{key}"), value);
        };
        add("endpoint", &channel.endpoint);
        let service_type = match channel.service_type {
            ChannelType::Tcp => "TCP",
            ChannelType::Rfc => "RFC",
        };
        add("type", &service_type);
        let mode = match channel.mode {
            Mode::Multiplexed => "multiplexed",
            Mode::Direct => "direct",
        };
        add("mode", &mode);
        add("connections", &channel.connections);
        add("warm_connections", &channel.warm_connections);
        add("enabled", &channel.enabled);
    }

    fn admin_and_log(&mut self, admin: Option<SocketAddr>, log: &LogConfig) {
        if let Some(admin) = admin {
            self.add("admin.listen", admin);
        }
        let format = match log.format {
            LogFormat::Console => "console",
            LogFormat::Json => "json",
        };
        self.add("log.format", format);
        self.add("log.level", &log.level);
    }

    fn records(&mut self, audit: &AuditConfig, traces: Option<&TracesConfig>) {
        match &audit.sink {
            AuditSink::Stdout => self.add("audit.sink", "stdout"),
            AuditSink::Off => self.add("audit.sink", "off"),
            AuditSink::File { path, rotate_bytes, keep_files } => {
                self.add("audit.sink", "file");
                self.path("audit.file", path);
                self.add("audit.rotate_bytes", rotate_bytes);
                self.add("audit.keep_files", keep_files);
            }
        }
        self.add("audit.queue_events", audit.queue_events);
        self.add("audit.required", audit.required);
        if let Some(TracesConfig { host, port, path, sample_ratio }) = traces {
            self.add("tracing.otlp_endpoint", format_args!("http://{host}:{port}{path}"));
            self.add("tracing.sample_ratio", sample_ratio);
        }
    }
}

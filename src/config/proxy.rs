//! `proxy.toml`, resolved.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::checks::is_host;
use super::document::{Document, base_of, read_file};
use super::{
    AdminConfig, AuditConfig, ConfigError, LogConfig, MappingsConfig, QuotasConfig, TracesConfig,
    WorkersConfig, admin, audit, mappings, quotas, raw, shared, traces,
};
use crate::limits;

/// The cloud side's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyConfig {
    /// Where connectors come in.
    pub tunnel: TunnelConfig,
    /// Whom the proxy serves.
    pub tenancy: TenancyConfig,
    /// Where the mappings are.
    pub mappings: MappingsConfig,
    /// The threads.
    pub workers: WorkersConfig,
    /// Times and counts.
    pub limits: ProxyLimits,
    /// The admin server, if there is one.
    pub admin: Option<AdminConfig>,
    /// The log.
    pub log: LogConfig,
    /// The audit.
    pub audit: AuditConfig,
    /// Where spans of traces go, if anywhere.
    pub traces: Option<TracesConfig>,
    /// The file it was read from; `None` for text that came from elsewhere.
    pub file: Option<PathBuf>,
}

/// The tunnel listener and how the world reaches it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The host connectors dial; endpoints name it and SNI is checked against it.
    pub external_host: String,
    /// The port connectors dial.
    pub external_port: u16,
    /// Whether another server name than `external_host` is refused.
    pub strict_sni: bool,
    /// Certificates.
    pub tls: TunnelTls,
}

/// The tunnel listener's certificate files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunnelTls {
    /// The proxy's certificate chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub private_key: PathBuf,
    /// The authorities whose clients are subaccounts.
    pub client_ca: PathBuf,
    /// The clients that no longer are.
    pub crl: Option<PathBuf>,
    /// Whether TLS 1.2 is spoken beside 1.3.
    pub allow_tls12: bool,
}

/// Whom a proxy serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TenancyConfig {
    /// One subaccount.
    Dedicated {
        /// Its id.
        subaccount: String,
    },
    /// Every subaccount that mappings name.
    Shared,
}

/// Times and counts of the proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyLimits {
    /// Dial of a service, all addresses together.
    pub dial_timeout: Duration,
    /// A stream with one direction finished and nothing moving in the other.
    pub half_closed_timeout: Duration,
    /// A stream with nothing moving at all; `None` is for ever.
    pub idle_timeout: Option<Duration>,
    /// Told to stop, it still accepts for this long, with a readiness that says no.
    pub drain_delay: Duration,
    /// Streams still open after this long in a drain are aborted.
    pub drain_deadline: Duration,
    /// What each subaccount may use.
    pub quotas: QuotasConfig,
    /// Bytes that traffic may make the process hold; 0 is any number, `None` what the surroundings
    /// say.
    pub memory_bytes_max: Option<u64>,
    /// Streams one tunnel in mode `multiplexed` may have open.
    pub streams_per_tunnel_max: u32,
    /// TLS handshakes a second that one source address may begin on one worker without showing a
    /// client certificate we accept.
    pub handshakes_per_second_max: u32,
    /// TLS handshakes a second that one source address may begin on one worker for a while after a
    /// tunnel from it ended by its peer's fault; 0 is as many as it likes.
    pub offender_handshakes_per_second: u32,
}

impl ProxyConfig {
    /// Reads a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::read(path, base_of(path), &read_file(path)?)
            .map(|config| Self { file: Some(path.to_path_buf()), ..config })
    }

    /// Reads text, with relative paths starting from `base`.
    pub fn parse(text: &str, base: &Path) -> Result<Self, ConfigError> {
        Self::read(&base.join("proxy.toml"), base, text)
    }

    pub(super) fn read(file: &Path, base: &Path, text: &str) -> Result<Self, ConfigError> {
        let (mut document, raw) = Document::parse::<raw::Proxy>(file, base, text)?;
        let config = resolve(&mut document, &raw);
        document.finish(config)
    }

    /// The endpoint a connector is given for a service.
    #[must_use]
    pub fn endpoint(&self, service: &str) -> super::Endpoint {
        super::Endpoint {
            host: self.tunnel.external_host.clone(),
            port: self.tunnel.external_port,
            service: service.to_owned(),
        }
    }
}

/// Goes through all of it before giving up, so that one run reports every fault.
fn resolve(document: &mut Document<'_>, raw: &raw::Proxy) -> Option<ProxyConfig> {
    let tunnel = tunnel(document, &raw.tunnel);
    let tenancy = tenancy(document, &raw.tenancy);
    let mappings = mappings::mappings(document, &raw.mappings, raw.kubernetes.as_ref());
    let workers = shared::workers(document, &raw.workers);
    let limits = limits(document, &raw.limits);
    let admin = admin::admin(document, &raw.admin, None);
    let log = shared::log(document, &raw.log);
    let audit = audit::audit(document, &raw.audit);
    let traces = traces::traces(document, &raw.tracing);
    let tunnel = tunnel?;
    let is_taken = |at: SocketAddr| at == tunnel.listen && at.port() != 0;
    if admin.as_ref().is_some_and(|admin| admin.listeners().any(is_taken)) {
        document.fault("admin.listen", "is also tunnel.listen; choose another port");
    }
    Some(ProxyConfig {
        tunnel,
        tenancy: tenancy?,
        mappings: mappings?,
        workers: workers?,
        limits: limits?,
        admin,
        log: log?,
        audit: audit?,
        traces: traces?,
        file: None,
    })
}

fn tunnel(document: &mut Document<'_>, raw: &raw::Tunnel) -> Option<TunnelConfig> {
    let listen = document.socket("tunnel.listen", raw.listen.as_deref().unwrap_or("0.0.0.0:8042"));
    let key = "tunnel.external_host";
    let external_host = document.required(key, raw.external_host.clone(), "\"cp.example.com\"");
    let external_host = external_host.and_then(|host| {
        if is_host(&host) {
            return Some(host);
        }
        document.fault(
            key,
            format!("{host:?} is not a host name or IP address; write it without scheme and port"),
        );
        None
    });
    let external_port =
        document.number("tunnel.external_port", raw.external_port.unwrap_or(443), 1..=65535);
    let tls = tunnel_tls(document, &raw.tls);
    Some(TunnelConfig {
        listen: listen?,
        external_host: external_host?,
        external_port: external_port?,
        strict_sni: raw.strict_sni.unwrap_or(true),
        tls: tls?,
    })
}

fn tunnel_tls(document: &mut Document<'_>, raw: &raw::TunnelTls) -> Option<TunnelTls> {
    let (certificate, private_key) = (raw.certificate.as_deref(), raw.private_key.as_deref());
    let certificate = document.file("tunnel.tls.certificate", certificate, "\"server.crt\"");
    let private_key = document.file("tunnel.tls.private_key", private_key, "\"server.key\"");
    let client_ca = document.file("tunnel.tls.client_ca", raw.client_ca.as_deref(), "\"ca.crt\"");
    let crl = document.optional_file("tunnel.tls.crl", raw.crl.as_deref());
    Some(TunnelTls {
        certificate: certificate?,
        private_key: private_key?,
        client_ca: client_ca?,
        crl,
        allow_tls12: raw.allow_tls12.unwrap_or(false),
    })
}

fn tenancy(document: &mut Document<'_>, raw: &raw::Tenancy) -> Option<TenancyConfig> {
    let choices = [("dedicated", false), ("shared", true)];
    if document.choice("tenancy.mode", raw.mode.as_deref(), &choices, false)? {
        return Some(TenancyConfig::Shared);
    }
    let key = "tenancy.subaccount_id";
    let Some(id) = &raw.subaccount_id else {
        document.fault(
            key,
            "is missing; a proxy in mode \"dedicated\", which is the default, must know its one \
             subaccount: add `subaccount_id = \"…\"` or `mode = \"shared\"` to [tenancy]",
        );
        return None;
    };
    document.id(key, id, false).map(|subaccount| TenancyConfig::Dedicated { subaccount })
}

fn limits(document: &mut Document<'_>, raw: &raw::ProxyLimits) -> Option<ProxyLimits> {
    let dial_timeout = document.seconds(
        "limits.dial_timeout_seconds",
        raw.dial_timeout_seconds,
        limits::DIAL_TIMEOUT,
    );
    let half_closed_timeout = document.seconds(
        "limits.half_closed_timeout_seconds",
        raw.half_closed_timeout_seconds,
        limits::HALF_CLOSED_TIMEOUT,
    );
    let idle_timeout =
        document.seconds_or_off("limits.idle_timeout_seconds", raw.idle_timeout_seconds);
    let drain_delay =
        document.seconds_or_off("limits.drain_delay_seconds", raw.drain_delay_seconds);
    let drain_deadline = document.seconds(
        "limits.drain_deadline_seconds",
        raw.drain_deadline_seconds,
        limits::DRAIN_DEADLINE,
    );
    let quotas = quotas::read(document, raw);
    let memory_bytes_max = quotas::memory(document, raw.memory_bytes_max);
    let streams_per_tunnel_max = document.number(
        "limits.streams_per_tunnel_max",
        raw.streams_per_tunnel_max.unwrap_or_else(|| i64::from(limits::STREAMS_PER_TUNNEL)),
        1..=limits::STREAMS_PER_TUNNEL_MAX,
    );
    let handshakes_per_second_max = document.number(
        "limits.handshakes_per_second_max",
        raw.handshakes_per_second_max
            .unwrap_or_else(|| i64::from(limits::HANDSHAKES_PER_SECOND_MAX)),
        1..=u32::MAX,
    );
    let offender_handshakes_per_second = document.number(
        "limits.offender_handshakes_per_second",
        raw.offender_handshakes_per_second
            .unwrap_or_else(|| i64::from(limits::OFFENDER_HANDSHAKES_PER_SECOND)),
        0..=u32::MAX,
    );
    Some(ProxyLimits {
        dial_timeout: dial_timeout?,
        half_closed_timeout: half_closed_timeout?,
        idle_timeout,
        drain_delay: drain_delay.unwrap_or_default(),
        drain_deadline: drain_deadline?,
        quotas: quotas?,
        memory_bytes_max: memory_bytes_max?,
        streams_per_tunnel_max: streams_per_tunnel_max?,
        handshakes_per_second_max: handshakes_per_second_max?,
        offender_handshakes_per_second: offender_handshakes_per_second?,
    })
}

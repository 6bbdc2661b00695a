//! `connector.toml`, resolved.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::document::{Document, base_of, read_file};
use super::{
    AdminConfig, AuditConfig, ChannelConfig, ConfigError, ListenerTls, LogConfig, OutboundProxy,
    TracesConfig, WorkersConfig, admin, audit, channel, outbound, quotas, raw, shared, traces,
};
use crate::limits;

/// The on-premise side's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorConfig {
    /// The subaccount of the file's channels; `None` where the management makes all there are.
    pub own: Option<OwnSubaccount>,
    /// Whether TLS 1.2 is spoken beside 1.3.
    pub allow_tls12: bool,
    /// The local ports.
    pub channels: Vec<ChannelConfig>,
    /// What ports with TLS show: a table of its own, or the admin server's certificate.
    pub local_tls: Option<ListenerTls>,
    /// Where the management keeps its state, if there is one.
    pub management: Option<PathBuf>,
    /// The HTTP proxy between here and the world, if there is one.
    pub outbound_proxy: Option<OutboundProxy>,
    /// The threads.
    pub workers: WorkersConfig,
    /// Times.
    pub limits: ConnectorLimits,
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

/// A subaccount that the file names, with its certificate files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnSubaccount {
    /// Its id, which the certificate names.
    pub id: String,
    /// The location id of this connector within it; `""` is the default one.
    pub location: String,
    /// The certificate chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub private_key: PathBuf,
    /// The authorities a proxy's certificate may come from.
    pub ca: PathBuf,
}

/// Times of the connector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorLimits {
    /// Dial of the proxy: TCP, an outbound proxy's CONNECT and TLS together.
    pub dial_timeout: Duration,
    /// A stream with one direction finished and nothing moving in the other.
    pub half_closed_timeout: Duration,
    /// A stream with nothing moving at all; `None` is for ever.
    pub idle_timeout: Option<Duration>,
    /// Told to stop, it still accepts for this long, with a readiness that says no.
    pub drain_delay: Duration,
    /// Streams still open after this long in a drain are aborted.
    pub drain_deadline: Duration,
    /// Bytes that traffic may make the process hold; 0 is any number, `None` what the surroundings
    /// say.
    pub memory_bytes_max: Option<u64>,
}

impl ConnectorConfig {
    /// Reads a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::read(path, base_of(path), &read_file(path)?)
            .map(|config| Self { file: Some(path.to_path_buf()), ..config })
    }

    /// Reads text, with relative paths starting from `base`.
    pub fn parse(text: &str, base: &Path) -> Result<Self, ConfigError> {
        Self::read(&base.join("connector.toml"), base, text)
    }

    pub(super) fn read(file: &Path, base: &Path, text: &str) -> Result<Self, ConfigError> {
        let (mut document, raw) = Document::parse::<raw::Connector>(file, base, text)?;
        let config = resolve(&mut document, &raw);
        document.finish(config)
    }
}

/// Goes through all of it before giving up, so that one run reports every fault.
fn resolve(document: &mut Document<'_>, raw: &raw::Connector) -> Option<ConnectorConfig> {
    let management = management(document, raw);
    // With a management the file need not name a subaccount; what it says has to be whole.
    let own = match raw.management.is_some() && names_none(raw) {
        true => Some(None),
        false => own(document, &raw.subaccount, &raw.tls).map(Some),
    };
    let channels: Vec<_> = raw
        .channel
        .iter()
        .enumerate()
        .map(|(index, channel)| channel::read(document, &format!("channel[{index}]"), channel))
        .collect();
    let outbound_proxy = raw.outbound_proxy.as_ref().map(|raw| outbound::read(document, raw));
    let workers = shared::workers(document, &raw.workers);
    let limits = limits(document, &raw.limits);
    let admin = admin::admin(document, &raw.admin, management.as_deref());
    let local_tls = local_tls(document, raw, admin.as_ref());
    let log = shared::log(document, &raw.log);
    let audit = audit::audit(document, &raw.audit);
    let traces = traces::traces(document, &raw.tracing);
    channel::distinct_ports(document, &channels, admin.as_ref().and_then(|admin| admin.listen));
    Some(ConnectorConfig {
        own: own?,
        allow_tls12: raw.tls.allow_tls12.unwrap_or(false),
        local_tls: local_tls?,
        management,
        channels: channels.into_iter().collect::<Option<_>>()?,
        outbound_proxy: match outbound_proxy {
            Some(proxy) => Some(proxy?),
            None => None,
        },
        workers: workers?,
        limits: limits?,
        admin,
        log: log?,
        audit: audit?,
        traces: traces?,
        file: None,
    })
}

/// A location id travels in a header, so it is printable ASCII.
fn location_id(document: &mut Document<'_>, location: &str) -> Option<String> {
    let key = "subaccount.location_id";
    if let Some(other) = location.chars().find(|character| !matches!(character, ' '..='~')) {
        document.fault(key, format!("has the character {other:?}; use printable ASCII"));
        return None;
    }
    document.id(key, location, true)
}

fn own(
    document: &mut Document<'_>,
    raw: &raw::Subaccount,
    tls: &raw::ConnectorTls,
) -> Option<OwnSubaccount> {
    let id = document
        .required("subaccount.id", raw.id.as_deref(), "\"…\"")
        .and_then(|id| document.id("subaccount.id", id, false));
    let location = location_id(document, raw.location_id.as_deref().unwrap_or_default());
    let (certificate, private_key) = (tls.certificate.as_deref(), tls.private_key.as_deref());
    let certificate = document.file("tls.certificate", certificate, "\"connector.crt\"");
    let private_key = document.file("tls.private_key", private_key, "\"connector.key\"");
    let ca = document.file("tls.ca", tls.ca.as_deref(), "\"ca.crt\"");
    Some(OwnSubaccount {
        id: id?,
        location: location?,
        certificate: certificate?,
        private_key: private_key?,
        ca: ca?,
    })
}

/// Whether nothing in the file is about a subaccount.
fn names_none(raw: &raw::Connector) -> bool {
    let raw::Subaccount { id, location_id } = &raw.subaccount;
    let raw::ConnectorTls { certificate, private_key, ca, allow_tls12: _ } = &raw.tls;
    let files = [certificate, private_key, ca];
    id.is_none()
        && location_id.is_none()
        && files.iter().all(|file| file.is_none())
        && raw.channel.is_empty()
}

/// The host is the same that the admin server's certificate names, so that one will do. It is not
/// asked who its clients are, as the admin server may ask.
fn local_tls(
    document: &mut Document<'_>,
    raw: &raw::Connector,
    admin: Option<&AdminConfig>,
) -> Option<Option<ListenerTls>> {
    let found = match &raw.local_tls {
        Some(raw) => Some(admin::tls(document, "local_tls", raw)?),
        None => admin
            .and_then(|admin| admin.tls.clone())
            .map(|tls| ListenerTls { client_ca: None, ..tls }),
    };
    let without = raw.channel.iter().position(|channel| channel.tls == Some(true));
    if let (None, Some(index)) = (&found, without) {
        document.fault(
            &format!("channel[{index}].tls"),
            "needs a certificate; add [local_tls] with certificate and private_key, or [admin.tls]",
        );
    }
    Some(found)
}

fn management(document: &mut Document<'_>, raw: &raw::Connector) -> Option<PathBuf> {
    let directory = raw.management.as_ref()?.directory.as_deref();
    if raw.admin.listen.is_none() {
        document.fault(
            "admin.listen",
            "is missing, and [management] is served there; add `listen = \"127.0.0.1:8443\"`",
        );
    }
    document.file("management.directory", directory, "\"state\"")
}

fn limits(document: &mut Document<'_>, raw: &raw::ConnectorLimits) -> Option<ConnectorLimits> {
    let dial_timeout = document.seconds(
        "limits.dial_timeout_seconds",
        raw.dial_timeout_seconds,
        limits::TUNNEL_DIAL_TIMEOUT,
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
    let memory_bytes_max = quotas::memory(document, raw.memory_bytes_max);
    Some(ConnectorLimits {
        dial_timeout: dial_timeout?,
        half_closed_timeout: half_closed_timeout?,
        idle_timeout,
        drain_delay: drain_delay.unwrap_or_default(),
        drain_deadline: drain_deadline?,
        memory_bytes_max: memory_bytes_max?,
    })
}

//! The admin server of either role, and who may use it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::document::Document;
use super::raw;

/// The admin server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminConfig {
    /// Where it listens, if for more than probes.
    pub listen: Option<SocketAddr>,
    /// Its certificates; without them it speaks plain HTTP, on loopback only.
    pub tls: Option<ListenerTls>,
    /// A file with the token that requests must carry, if they must.
    pub token_file: Option<PathBuf>,
    /// Whether the accounts of the management may be shown instead.
    pub accounts: bool,
    /// Whether `/metrics` is answered to everybody.
    pub open_metrics: bool,
    /// Health for those who watch from outside, if it is told apart.
    pub probes: Option<ProbesConfig>,
}

/// A listener's certificate files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerTls {
    /// Its certificate chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub private_key: PathBuf,
    /// The authorities of its clients' certificates, if those are asked for.
    pub client_ca: Option<PathBuf>,
}

/// A listener that answers health and readiness, and metrics where that is allowed, to everybody
/// and over plain HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbesConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Whether it answers `/metrics` as well.
    pub metrics: bool,
}

impl ListenerTls {
    /// The files that are made where none are named.
    #[must_use]
    pub fn in_directory(directory: &Path) -> Self {
        let (certificate, private_key) = (directory.join("ui.crt"), directory.join("ui.key"));
        Self { certificate, private_key, client_ca: None }
    }
}

impl AdminConfig {
    /// On loopback, over plain HTTP, for everybody who reaches it there.
    #[must_use]
    pub fn local(listen: SocketAddr) -> Self {
        let listen = Some(listen);
        Self {
            listen,
            tls: None,
            token_file: None,
            accounts: false,
            open_metrics: false,
            probes: None,
        }
    }

    /// Every address it listens on.
    pub(super) fn listeners(&self) -> impl Iterator<Item = SocketAddr> {
        self.listen.into_iter().chain(self.probes.as_ref().map(|probes| probes.listen))
    }

    /// Whether requests must show who sends them.
    #[must_use]
    pub fn is_guarded(&self) -> bool {
        let client_ca = self.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some());
        self.token_file.is_some() || self.accounts || client_ca
    }
}

/// `management` is the directory of the management that is served there, if there is one.
pub(super) fn admin(
    document: &mut Document<'_>,
    raw: &raw::Admin,
    management: Option<&Path>,
) -> Option<AdminConfig> {
    let tls = match (&raw.tls, management) {
        // Only the authorities of clients are said: the page's certificate is made.
        (Some(raw), Some(directory)) if raw.certificate.is_none() && raw.private_key.is_none() => {
            let client_ca = document.optional_file("admin.tls.client_ca", raw.client_ca.as_deref());
            Some(ListenerTls { client_ca, ..ListenerTls::in_directory(directory) })
        }
        (Some(raw), _) => Some(tls(document, "admin.tls", raw)?),
        // Passwords are sent there.
        (None, Some(directory)) => Some(ListenerTls::in_directory(directory)),
        (None, None) => None,
    };
    let accounts = management.is_some();
    let token_file = document.optional_file("admin.token_file", raw.token_file.as_deref());
    let probes = match &raw.probes {
        Some(raw) => Some(probes(document, raw)?),
        None => None,
    };
    let open_metrics = raw.open_metrics.unwrap_or(false);
    let Some(listen) = &raw.listen else {
        if raw.tls.is_some() || token_file.is_some() || raw.open_metrics.is_some() {
            document.fault(
                "admin.listen",
                "is missing, so there is no admin server that the other keys of [admin] could be \
                 for; add `listen = \"127.0.0.1:9494\"` or remove them",
            );
        }
        let config = AdminConfig { listen: None, tls, token_file, accounts, open_metrics, probes };
        return config.probes.is_some().then_some(config);
    };
    let listen = document.socket("admin.listen", listen)?;
    let config =
        AdminConfig { listen: Some(listen), tls, token_file, accounts, open_metrics, probes };
    if !listen.ip().to_canonical().is_loopback() {
        demand_protection(document, &config, listen);
    }
    let probes = config.probes.as_ref().map(|probes| probes.listen);
    if probes.is_some_and(|probes| probes == listen && probes.port() != 0) {
        document.fault("admin.probes.listen", "is also admin.listen; choose another port");
    }
    Some(config)
}

/// Whoever reaches this server could read names and addresses of all tenants and cut their
/// streams.
fn demand_protection(document: &mut Document<'_>, config: &AdminConfig, listen: SocketAddr) {
    let missing = match (&config.tls, config.is_guarded()) {
        (None, false) => {
            "[admin.tls] with certificate and private_key, and token_file or [admin.tls] client_ca"
        }
        (None, true) => "[admin.tls] with certificate and private_key",
        (Some(_), false) => "token_file, or client_ca to [admin.tls]",
        (Some(_), true) => return,
    };
    document.fault(
        "admin.listen",
        format!(
            "{listen} can be reached from other machines; add {missing}, or listen on loopback \
             (127.0.0.1, [::1]). For probes and metrics alone there is [admin.probes]"
        ),
    );
}

pub(super) fn tls(
    document: &mut Document<'_>,
    table: &str,
    raw: &raw::ListenerTls,
) -> Option<ListenerTls> {
    let key = |name: &str| format!("{table}.{name}");
    let (certificate, private_key) = (raw.certificate.as_deref(), raw.private_key.as_deref());
    let certificate = document.file(&key("certificate"), certificate, "\"server.crt\"");
    let private_key = document.file(&key("private_key"), private_key, "\"server.key\"");
    let client_ca = document.optional_file(&key("client_ca"), raw.client_ca.as_deref());
    Some(ListenerTls { certificate: certificate?, private_key: private_key?, client_ca })
}

fn probes(document: &mut Document<'_>, raw: &raw::Probes) -> Option<ProbesConfig> {
    let listen =
        document.required("admin.probes.listen", raw.listen.as_deref(), "\"0.0.0.0:9495\"");
    let listen = document.socket("admin.probes.listen", listen?)?;
    Some(ProbesConfig { listen, metrics: raw.metrics.unwrap_or(false) })
}

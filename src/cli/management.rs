//! The management of a connector: its state directory, its certificate, and the link by which the
//! first account is made.

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    node::{Failure, unix_seconds},
    pki::files::{Access, write_all},
};
use crate::{
    config::{AdminConfig, AdminTls, ConnectorConfig},
    connector::RunningConnector,
    limits::{EXPIRY_WARNING, UI_CERTIFICATE_AGE_MAX},
    management::{
        OfConnector,
        rest::{Desk, offer_setup},
        store::{Store, StoreError},
    },
    tls::{Authority, Validity, leaf_of},
};

/// A management before it serves.
pub(super) struct Management {
    store: Arc<Store>,
}

impl Management {
    /// Opens what the configuration asks for, before anything listens: a store that cannot be used
    /// ends the start.
    pub(super) fn open(config: &ConnectorConfig) -> Result<Option<Self>, Failure> {
        let Some(directory) = &config.management else { return Ok(None) };
        let store = Arc::new(Store::open(directory)?);
        make_certificate(directory, config.admin.as_ref())?;
        Ok(Some(Self { store }))
    }

    /// Puts in force what the store holds, and answers requests from then on.
    pub(super) fn serve(&self, running: &Arc<RunningConnector>) -> Result<Arc<Desk>, StoreError> {
        Desk::open(self.store.clone(), Arc::new(OfConnector::new(running.clone())))
    }

    /// Tells whoever reads the log how to make the first account, while there is none.
    pub(super) fn invite(&self, admin: SocketAddr) -> Result<(), StoreError> {
        let now = i64::try_from(unix_seconds(SystemTime::now()).saturating_mul(1000));
        if let Some(token) = offer_setup(&self.store, now.unwrap_or(i64::MAX))? {
            let link = format!("https://{}/#setup={token}", reached_at(admin));
            tracing::warn!(
                link,
                "there is no account yet; whoever opens this link within a day makes the first one"
            );
        }
        Ok(())
    }
}

/// What to call an address that everybody's requests arrive at.
fn reached_at(address: SocketAddr) -> String {
    match address.ip().is_unspecified() {
        true => format!("{}:{}", host_name(), address.port()),
        false => address.to_string(),
    }
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "localhost".to_owned(),
        name => name.to_owned(),
    }
}

/// Makes the certificate of the page where none is configured: at the first start, and again when
/// it is about to end. The server follows its files.
fn make_certificate(directory: &Path, admin: Option<&AdminConfig>) -> Result<(), Failure> {
    let ours = AdminTls::in_directory(directory);
    let Some(admin) = admin.filter(|admin| admin.tls.as_ref() == Some(&ours)) else {
        return Ok(());
    };
    let now = SystemTime::now();
    let known = std::fs::read_to_string(&ours.certificate).ok();
    let is_good =
        |pem: &str| leaf_of(pem).is_some_and(|leaf| leaf.not_after > Some(now + EXPIRY_WARNING));
    if ours.private_key.exists() && known.as_deref().is_some_and(is_good) {
        return Ok(());
    }
    let not_before = now - CLOCK_SLACK;
    let validity = Validity { not_before, not_after: now + UI_CERTIFICATE_AGE_MAX };
    // Its key is thrown away: it signs this one and no other.
    let (authority, ca) = Authority::create("Causeway, made at the first start", validity)?;
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    names.push(host_name());
    names.extend(admin.listen.map(|listen| listen.ip()).filter(is_named).map(|ip| ip.to_string()));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let made = authority.issue_server(&names, validity)?;
    let chain = format!("{}{}", made.certificate_pem, ca.certificate_pem);
    let files = [
        (ours.private_key, made.private_key_pem.as_str(), Access::Secret),
        (ours.certificate, chain.as_str(), Access::Public),
    ];
    write_all(&files, true)?;
    tracing::info!(directory = %directory.display(), "made ui.crt and ui.key for the page");
    Ok(())
}

fn is_named(ip: &IpAddr) -> bool {
    !ip.is_unspecified() && !ip.is_loopback()
}

/// Certificates begin this long before now: the clocks of two machines differ.
const CLOCK_SLACK: Duration = Duration::from_secs(3600);

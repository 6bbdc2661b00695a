//! The management of a connector: its state directory, its certificate, and the link by which the
//! first account is made.

use std::{
    fs,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::{Duration, SystemTime},
};

use super::{
    node::Failure,
    pki::files::{Access, write_all},
};
use crate::{
    admin::Source,
    config::{AdminConfig, ConnectorConfig, ListenerTls},
    connector::RunningConnector,
    limits::{EXPIRY_WARNING, UI_CERTIFICATE_AGE_MAX, USAGE_RECORD_INTERVAL},
    management::{
        OfConnector,
        rest::{Desk, now_ms, offer_setup},
        store::{Store, StoreError},
    },
    tls::{Authority, Validity, leaf_of},
};

/// The state of a management, before it serves.
pub(super) struct Opened {
    store: Arc<Store>,
    /// The certificate of the page.
    certificate: Option<PathBuf>,
}

impl Opened {
    /// Opens what the configuration asks for, before anything listens: a store that cannot be used
    /// ends the start.
    pub(super) fn of(config: &ConnectorConfig) -> Result<Option<Self>, Failure> {
        let Some(directory) = &config.management else { return Ok(None) };
        let store = Arc::new(Store::open(directory)?);
        make_certificate(directory, config.admin.as_ref())?;
        let tls = config.admin.as_ref().and_then(|admin| admin.tls.as_ref());
        let certificate = tls.map(|tls| tls.certificate.clone());
        Ok(Some(Self { store, certificate }))
    }

    /// Puts in force what the store holds.
    pub(super) fn serve(
        self,
        running: &Arc<RunningConnector>,
        source: Arc<dyn Source>,
    ) -> Result<Managed, Failure> {
        let carrier = Arc::new(OfConnector::new(running.clone(), source));
        let desk = Desk::open(self.store.clone(), carrier)?;
        let (stop, stopped) = mpsc::channel();
        let keep = {
            let (desk, certificate) = (desk.clone(), self.certificate);
            move || keep(&desk, certificate.as_deref(), &stopped)
        };
        let keeper = thread::Builder::new().name("management".to_owned()).spawn(keep)?;
        Ok(Managed { store: self.store, desk, stop: Some(stop), keeper: Some(keeper) })
    }
}

/// A management that runs. Dropped, it writes down what is not yet.
pub(super) struct Managed {
    store: Arc<Store>,
    /// Answers requests.
    pub(super) desk: Arc<Desk>,
    stop: Option<mpsc::Sender<()>>,
    keeper: Option<JoinHandle<()>>,
}

impl Managed {
    /// Tells whoever reads the log how to make the first account, while there is none.
    pub(super) fn invite(&self, admin: SocketAddr) -> Result<(), StoreError> {
        if let Some(token) = offer_setup(&self.store, now_ms())? {
            let link = format!("https://{}/#setup={token}", reached_at(admin));
            tracing::warn!(
                link,
                "there is no account yet; whoever opens this link within a day makes the first one"
            );
        }
        Ok(())
    }
}

impl Drop for Managed {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(keeper) = self.keeper.take() {
            // A panic over there has been printed over there.
            let _ = keeper.join();
        }
    }
}

/// Writes down what channels carry, every few seconds and at the end, and looks which certificate
/// the page shows.
fn keep(desk: &Desk, certificate: Option<&Path>, stopped: &mpsc::Receiver<()>) {
    let mut refused = false;
    loop {
        if let Some(pem) = certificate.and_then(|file| fs::read_to_string(file).ok()) {
            desk.set_page_certificate(&pem);
        }
        let ends = stopped.recv_timeout(USAGE_RECORD_INTERVAL) != Err(RecvTimeoutError::Timeout);
        let recorded = desk.record_usage(now_ms());
        if let Err(error) = &recorded
            && !refused
        {
            tracing::error!(%error, "what channels carry cannot be written down");
        }
        refused = recorded.is_err();
        if ends {
            return;
        }
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
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "localhost".to_owned(),
        name => name.to_owned(),
    }
}

/// Makes the certificate of the page where none is configured: at the first start, and again when
/// it is about to end. The server follows its files.
fn make_certificate(directory: &Path, admin: Option<&AdminConfig>) -> Result<(), Failure> {
    let ours = ListenerTls::in_directory(directory);
    let is_ours = |tls: &ListenerTls| tls.certificate == ours.certificate;
    let Some(admin) = admin.filter(|admin| admin.tls.as_ref().is_some_and(is_ours)) else {
        return Ok(());
    };
    let now = SystemTime::now();
    let known = fs::read_to_string(&ours.certificate).ok();
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

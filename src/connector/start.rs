//! Starting and stopping a connector.

use std::{
    io,
    net::SocketAddr,
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use super::{
    channel::Channel,
    role::{ConnectorMessage, ConnectorRole, TlsOfModes},
    status::{ChannelStatus, Part},
};
use crate::{
    config::{ChannelConfig, ConnectorConfig, Mode, watch::FileWatch},
    engine::Listener,
    limits,
    tls::{Alpn, CertificateEntry, ClientFiles, Facts, Fingerprint, MaterialError, load_client},
    tunnel::Timeouts,
    worker::{self, Crew, Listening, Plan},
};

/// Why a connector cannot start. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its certificates cannot be used.
    #[error("{0}")]
    Material(#[from] MaterialError),
    /// Its certificate names another subaccount or location than its configuration.
    #[error("{0}")]
    Identity(String),
    /// Threads, event loops or file watches cannot be made.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

/// One configured channel and what became of it.
pub struct RunningChannel {
    /// As configured.
    pub config: ChannelConfig,
    /// Its local port; `None` when it is disabled or the port could not be had.
    pub address: Option<SocketAddr>,
    /// Its state.
    pub status: Arc<ChannelStatus>,
}

/// A connector that serves.
pub struct RunningConnector {
    channels: Vec<RunningChannel>,
    crew: Arc<Crew<ConnectorMessage>>,
    certificate: Arc<Mutex<Certificate>>,
    config: ConnectorConfig,
    /// Of its certificates: that took effect, that were refused.
    reloads: Arc<[AtomicU64; 2]>,
    drain_deadline: Duration,
    /// Stops watching when dropped; `None` once draining.
    watch: Mutex<Option<FileWatch>>,
    /// Set once it is to stop.
    leaving: AtomicBool,
}

/// The certificates in use.
struct Certificate {
    facts: Facts,
    inventory: Vec<CertificateEntry>,
    /// What is wrong with newer files.
    problem: Option<String>,
}

/// Starts a connector on the given workers. A channel whose port cannot be had fails alone.
///
/// # Errors
/// [`StartError`] says what is wrong and what to do.
pub fn start(config: &ConnectorConfig, plan: &Plan) -> Result<RunningConnector, StartError> {
    let material = load_material(config)?;
    let mut listeners = Vec::new();
    let channels: Vec<RunningChannel> = config
        .channels
        .iter()
        .enumerate()
        .map(|(number, channel)| listen(channel, number, plan.cores.len(), &mut listeners))
        .collect();
    let crew = Arc::new(start_workers(config, plan, &material, &channels, listeners)?);
    warn_of_expiry(&material.facts);
    let Material { facts, inventory, fingerprint, .. } = material;
    let certificate = Arc::new(Mutex::new(Certificate { facts, inventory, problem: None }));
    let reloads = Arc::default();
    let watch = watch(config, fingerprint, &crew, (&certificate, &reloads))?;
    let drain_deadline = config.limits.drain_deadline;
    Ok(RunningConnector {
        channels,
        crew,
        certificate,
        config: config.clone(),
        reloads,
        drain_deadline,
        watch: Mutex::new(Some(watch)),
        leaving: AtomicBool::new(false),
    })
}

/// Reads and checks the connector's certificates, and that they fit its configuration.
///
/// # Errors
/// Which file is wrong, how, and what to do.
pub fn load_material(config: &ConnectorConfig) -> Result<Material, StartError> {
    let tls = &config.tls;
    let files = ClientFiles {
        certificate: tls.certificate.clone(),
        private_key: tls.private_key.clone(),
        ca: tls.ca.clone(),
    };
    let now = SystemTime::now();
    let multiplexed = load_client(&files, &[Alpn::H2], tls.allow_tls12, now)?;
    let direct = load_client(&files, &[Alpn::Http1], tls.allow_tls12, now)?;
    check_identity(config, &multiplexed.facts)?;
    Ok(Material {
        tls: TlsOfModes { direct: direct.tls, multiplexed: multiplexed.tls },
        facts: multiplexed.facts,
        inventory: multiplexed.inventory,
        fingerprint: multiplexed.fingerprint,
    })
}

/// A connector's certificates, ready for use.
pub struct Material {
    tls: TlsOfModes,
    /// What the certificate says.
    pub facts: Facts,
    inventory: Vec<CertificateEntry>,
    fingerprint: Fingerprint,
}

fn warn_of_expiry(facts: &Facts) {
    if let Some(days) = facts.days_left(SystemTime::now(), limits::EXPIRY_WARNING) {
        tracing::warn!(days, "the connector certificate expires soon; replace its files in place");
    }
}

fn check_identity(config: &ConnectorConfig, facts: &Facts) -> Result<(), StartError> {
    let refuse = |what: String| {
        let file = config.tls.certificate.display();
        Err(StartError::Identity(format!("{file}: {what}")))
    };
    let Some(identity) = &facts.identity else {
        return refuse("the certificate names no subaccount (SAN URI or CN)".to_owned());
    };
    if identity.subaccount != config.subaccount {
        return refuse(format!(
            "the certificate is for subaccount {:?}, [subaccount] id is {:?}; make them equal",
            identity.subaccount, config.subaccount
        ));
    }
    match &identity.location {
        Some(only) if *only != config.location => refuse(format!(
            "the certificate allows location {only:?} only, [subaccount] location_id is {:?}",
            config.location
        )),
        _ => Ok(()),
    }
}

fn listen(
    config: &ChannelConfig,
    number: usize,
    workers: usize,
    listeners: &mut Vec<Listening>,
) -> RunningChannel {
    let status = Arc::new(ChannelStatus::default());
    let mut channel = RunningChannel { config: config.clone(), address: None, status };
    if !config.enabled {
        return channel;
    }
    let served_by = served_by(config, number, workers);
    match Listener::bind_group(config.local, served_by.len()) {
        Ok((address, sockets)) => {
            listeners.push(Listening { sockets: served_by.into_iter().zip(sockets).collect() });
            channel.address = Some(address);
        }
        Err(error) => {
            let problem = format!(
                "cannot listen on {}: {error}; choose another local_port or stop what holds it",
                config.local
            );
            tracing::error!(endpoint = %config.endpoint, "{problem}");
            channel.status.set_problem(Part::Way, Some(problem));
        }
    }
    channel
}

/// The workers that serve a channel. In mode `multiplexed` those that have one of its tunnels: a
/// stream's sockets and its tunnel stay on one core. Channels begin at different workers.
fn served_by(config: &ChannelConfig, number: usize, workers: usize) -> Vec<usize> {
    match config.mode {
        Mode::Direct => (0..workers).collect(),
        Mode::Multiplexed => {
            let served = config.connections.clamp(1, workers);
            (0..served).map(|worker| (number + worker) % workers).collect()
        }
    }
}

/// How many tunnels of a channel a worker keeps.
fn tunnels_of(config: &ChannelConfig, number: usize, workers: usize, index: usize) -> usize {
    match config.mode {
        Mode::Direct => {
            share(config.warm_connections.min(limits::WARM_CONNECTIONS_MAX), workers, index)
        }
        Mode::Multiplexed => {
            share(config.connections, workers, (index + workers - number % workers) % workers)
        }
    }
}

fn start_workers(
    config: &ConnectorConfig,
    plan: &Plan,
    material: &Material,
    channels: &[RunningChannel],
    listeners: Vec<Listening>,
) -> io::Result<Crew<ConnectorMessage>> {
    let open: Vec<(usize, ChannelConfig, Arc<ChannelStatus>)> = channels
        .iter()
        .enumerate()
        .filter(|(_, channel)| channel.address.is_some())
        .map(|(number, channel)| (number, channel.config.clone(), channel.status.clone()))
        .collect();
    let workers = plan.cores.len();
    let tls = material.tls.clone();
    let (subaccount, location) = (config.subaccount.clone(), config.location.clone());
    let outbound = config.outbound_proxy.clone();
    let dial_timeout = config.limits.dial_timeout;
    let timeouts = Timeouts {
        idle: config.limits.idle_timeout,
        half_closed: config.limits.half_closed_timeout,
    };
    worker::start(plan, listeners, move |worker| {
        let index = worker.shard.index;
        let channel = |(number, config, status): &(usize, ChannelConfig, Arc<ChannelStatus>)| {
            let tunnels = tunnels_of(config, *number, workers, index);
            let owner = (subaccount.as_str(), location.as_str());
            Rc::new(Channel::new(config.clone(), status.clone(), tunnels, owner))
        };
        Rc::new(ConnectorRole {
            subaccount: subaccount.clone(),
            location: location.clone(),
            timeouts,
            dial_timeout,
            outbound: outbound.clone(),
            tls: tls.clone().into(),
            channels: open.iter().map(channel).collect(),
        })
    })
}

/// Worker `index`'s share of `total` things.
fn share(total: usize, workers: usize, index: usize) -> usize {
    total / workers + usize::from(index < total % workers)
}

fn watch(
    config: &ConnectorConfig,
    mut seen: Fingerprint,
    crew: &Arc<Crew<ConnectorMessage>>,
    (certificate, reloads): (&Arc<Mutex<Certificate>>, &Arc<[AtomicU64; 2]>),
) -> io::Result<FileWatch> {
    let tls = &config.tls;
    let paths = vec![tls.certificate.clone(), tls.private_key.clone(), tls.ca.clone()];
    let (crew, certificate, config) = (crew.clone(), certificate.clone(), config.clone());
    let reloads = reloads.clone();
    let mut said = None;
    let look = move || {
        let problem = match load_material(&config) {
            Ok(material) if material.fingerprint == seen => None,
            Ok(material) => {
                seen = material.fingerprint;
                tracing::info!(subject = material.facts.subject, "certificates changed");
                warn_of_expiry(&material.facts);
                crew.tell(|| ConnectorMessage::Tls(material.tls.clone()));
                let mut certificate = certificate.lock().unwrap_or_else(PoisonError::into_inner);
                (certificate.facts, certificate.inventory) = (material.facts, material.inventory);
                reloads[0].fetch_add(1, Relaxed);
                None
            }
            Err(error) => Some(error.to_string()),
        };
        certificate.lock().unwrap_or_else(PoisonError::into_inner).problem.clone_from(&problem);
        if let Some(problem) = problem.as_ref().filter(|problem| said.as_ref() != Some(*problem)) {
            reloads[1].fetch_add(1, Relaxed);
            tracing::error!(error = problem, "keeping the certificates in use");
        }
        said = problem;
    };
    let look = Arc::new(Mutex::new(look));
    let again = look.clone();
    let watch =
        FileWatch::spawn(paths, move || again.lock().unwrap_or_else(PoisonError::into_inner)())?;
    // What changed between the first look and the watch must not wait for the next change.
    look.lock().unwrap_or_else(PoisonError::into_inner)();
    Ok(watch)
}

impl RunningConnector {
    /// Its channels, in the order of the configuration.
    pub fn channels(&self) -> &[RunningChannel] {
        &self.channels
    }

    /// What its certificate says, with the first end of the authorities of its proxies.
    pub fn certificate(&self) -> Facts {
        self.certificate.lock().unwrap_or_else(PoisonError::into_inner).facts.clone()
    }

    /// Reloads that took effect, and those that were refused.
    pub fn reloads(&self) -> (u64, u64) {
        (self.reloads[0].load(Relaxed), self.reloads[1].load(Relaxed))
    }

    /// Its workers.
    pub fn crew(&self) -> &Arc<Crew<ConnectorMessage>> {
        &self.crew
    }

    /// Says from now on that no new clients should come here, before it is drained.
    pub fn leave(&self) {
        self.leaving.store(true, Relaxed);
    }

    /// The effective configuration, without secrets.
    pub fn config(&self) -> serde_json::Value {
        self.config.to_json()
    }

    /// The certificates and authorities in force, and what is wrong with newer files.
    pub fn certificates(&self, now: SystemTime) -> (Vec<serde_json::Value>, Vec<String>) {
        let certificate = self.certificate.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = certificate.inventory.iter().map(|entry| entry.to_json(now));
        (entries.collect(), certificate.problem.iter().cloned().collect())
    }

    /// Whether it accepts no more, or is about to.
    pub fn is_draining(&self) -> bool {
        self.leaving.load(Relaxed)
            || self.watch.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// What an operator wants to know besides counters: channels and the certificate.
    pub fn details(&self) -> serde_json::Value {
        let certificate = self.certificate.lock().unwrap_or_else(PoisonError::into_inner);
        let facts = &certificate.facts;
        let channels: Vec<serde_json::Value> = self
            .channels
            .iter()
            .map(|channel| {
                let (ready, wanted) = channel.status.connected();
                serde_json::json!({
                    "endpoint": channel.config.endpoint.to_string(),
                    "local": channel.address.unwrap_or(channel.config.local).to_string(),
                    "enabled": channel.config.enabled,
                    "listening": channel.address.is_some(),
                    "connections_ready": ready,
                    "connections_wanted": wanted,
                    "streams": channel.status.streams(),
                    "problem": channel.status.problem(),
                })
            })
            .collect();
        serde_json::json!({
            "role": "connector",
            "channels": channels,
            "certificate": {
                "subject": facts.subject,
                "expires_in_seconds": facts.not_after
                    .duration_since(SystemTime::now()).unwrap_or_default().as_secs(),
            },
            "sessions_per_worker": self.crew.sessions(),
        })
    }

    /// Warns of a certificate that expires soon. For a daily call.
    pub fn warn_of_expiry(&self) {
        warn_of_expiry(&self.certificate.lock().unwrap_or_else(PoisonError::into_inner).facts);
    }

    /// Stops accepting, lets streams end for the configured time, aborts the rest and ends the
    /// workers. Says how many streams were aborted.
    pub fn drain(&self, deadline: Option<Duration>) -> usize {
        drop(self.watch.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.crew.drain(deadline.unwrap_or(self.drain_deadline))
    }
}

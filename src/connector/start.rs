//! Starting and stopping a connector.

use std::{
    io,
    rc::Rc,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use super::{
    carried::CarriedSubaccount,
    channels::{Board, Channels, RunningChannel, wanted_by_file},
    material::{Certificate, load_local, load_material, warn_of_expiry, warn_of_local_expiry},
    owner::Identity,
    reload::{Reloader, owner, settings},
    role::{ChannelPost, ConnectorMessage, ConnectorRole, Settings},
};
use crate::{
    config::{ConfigStatus, ConnectorConfig, watch::FileWatch},
    tls::{Facts, MaterialError},
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

/// A connector that serves.
pub struct RunningConnector {
    board: Board,
    crew: Arc<Crew<ConnectorMessage>>,
    certificate: Arc<Mutex<Certificate>>,
    config_status: Arc<Mutex<ConfigStatus>>,
    reloader: Arc<Mutex<Reloader>>,
    /// Stops watching when dropped; `None` once draining.
    watch: Mutex<Option<FileWatch>>,
    /// Set once it is to stop.
    leaving: AtomicBool,
}

/// Starts a connector on the given workers. A channel whose port cannot be had fails alone.
///
/// # Errors
/// [`StartError`] says what is wrong and what to do.
pub fn start(config: &ConnectorConfig, plan: &Plan) -> Result<RunningConnector, StartError> {
    let own = match &config.own {
        None => None,
        Some(own) => {
            let material = load_material(own, config.allow_tls12)?;
            let identity = Identity { owner: Arc::new(owner(own)), tls: material.tls.clone() };
            Some((material, Arc::new(identity)))
        }
    };
    let local = config.local_tls.as_ref().map(load_local).transpose()?;
    let local_tls = local.as_ref().map(|local| local.tls.clone());
    let audit = plan.records.audit.clone();
    let mut channels = Channels::new(plan.cores.len(), audit.clone());
    let identity = own.as_ref().map(|(_, identity)| identity);
    let (listeners, posts) = channels.open_all(wanted_by_file(&config.channels, identity));
    let settings = settings(config, plan.cores.len(), local_tls);
    let crew = Arc::new(start_workers(settings, plan, listeners, posts)?);
    let board = channels.board();
    let reloader = Reloader::new(config, channels, own, local, audit);
    reloader.watch();
    let (certificate, config_status) = (reloader.certificate.clone(), reloader.config_status());
    let watched = reloader.watched.clone();
    let reloader = Arc::new(Mutex::new(reloader));
    let reload = {
        let (reloader, crew) = (reloader.clone(), crew.clone());
        move || reloader.lock().unwrap_or_else(PoisonError::into_inner).reload(&crew)
    };
    let watch = FileWatch::spawn_on(watched, reload.clone())?;
    // What changed between the first look and the watch must not wait for the next change.
    reload();
    let watch = Mutex::new(Some(watch));
    let leaving = AtomicBool::new(false);
    Ok(RunningConnector { board, crew, certificate, config_status, reloader, watch, leaving })
}

fn start_workers(
    settings: Settings,
    plan: &Plan,
    listeners: Vec<Listening>,
    posts: Vec<ChannelPost>,
) -> io::Result<Crew<ConnectorMessage>> {
    worker::start(plan, listeners, move |worker| {
        worker.shard.set_memory(settings.memory_bytes_max);
        let role = ConnectorRole::new(settings.clone());
        for post in &posts {
            role.install(worker, post.clone());
        }
        Rc::new(role)
    })
}

impl RunningConnector {
    /// Its channels as they are now: those of the configuration file in its order, then those
    /// given to [`carry`](Self::carry).
    pub fn channels(&self) -> Arc<[RunningChannel]> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Looks again at the configuration and the certificates, as if their files had changed.
    /// Nothing once it drains.
    pub fn reload(&self) {
        if !self.is_draining() {
            self.reloader().reload(&self.crew);
        }
    }

    /// Puts subaccounts and channels made elsewhere in force beside the configuration file's, in
    /// place of those given before; region and id of each tell it from the others. Open streams go
    /// on in any case, and what is as before is not touched. It never fails as a whole: what is
    /// wrong with one is told by the status of its channels, and tried again with the next call.
    /// Certificates that cannot be used leave those before them in use. Nothing once it drains.
    pub fn carry(&self, wanted: Vec<CarriedSubaccount>) {
        if !self.is_draining() {
            self.reloader().carry(wanted, &self.crew);
        }
    }

    /// Has `set` called with the level of the log whenever the configuration gets another one.
    pub fn on_log_level(&self, set: impl Fn(&str) + Send + 'static) {
        self.reloader().log_level = Some(Box::new(set));
    }

    /// How the configuration in force and its file stand to each other.
    pub fn config_status(&self) -> ConfigStatus {
        self.config_status.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn reloader(&self) -> MutexGuard<'_, Reloader> {
        self.reloader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the certificate of the configuration file's subaccount says, with the first end of the
    /// authorities of its proxies.
    pub fn certificate(&self) -> Option<Facts> {
        self.certificate.lock().unwrap_or_else(PoisonError::into_inner).facts.clone()
    }

    /// Changes of its certificates that took effect, and those that were refused.
    pub fn reloads(&self) -> (u64, u64) {
        let certificate = self.certificate.lock().unwrap_or_else(PoisonError::into_inner);
        (certificate.reloads, certificate.reloads_failed)
    }

    /// How long it still accepts once it is told to stop.
    pub fn drain_delay(&self) -> Duration {
        self.reloader().in_force().limits.drain_delay
    }

    /// Its workers.
    pub fn crew(&self) -> &Arc<Crew<ConnectorMessage>> {
        &self.crew
    }

    /// Says from now on that no new clients should come here, before it is drained.
    pub fn leave(&self) {
        self.leaving.store(true, Relaxed);
    }

    /// The configuration in force.
    pub fn in_force(&self) -> ConnectorConfig {
        self.reloader().in_force().clone()
    }

    /// The effective configuration, without secrets.
    pub fn config(&self) -> serde_json::Value {
        self.reloader().in_force().to_json()
    }

    /// The certificates and authorities in force, and what is wrong with newer files.
    pub fn certificates(&self, now: SystemTime) -> (Vec<serde_json::Value>, Vec<String>) {
        let certificate = self.certificate.lock().unwrap_or_else(PoisonError::into_inner);
        let Certificate { inventory, problem, local_inventory, local_problem, .. } = &*certificate;
        let entries = inventory.iter().chain(local_inventory).map(|entry| entry.to_json(now));
        (entries.collect(), problem.iter().chain(local_problem).cloned().collect())
    }

    /// Whether it accepts no more, or is about to.
    pub fn is_draining(&self) -> bool {
        self.leaving.load(Relaxed)
            || self.watch.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// What an operator wants to know besides counters: channels and the certificate.
    pub fn details(&self) -> serde_json::Value {
        let config = self.config_status();
        let certificate = self.certificate.lock().unwrap_or_else(PoisonError::into_inner);
        let facts = &certificate.facts;
        let channels: Vec<serde_json::Value> = self
            .channels()
            .iter()
            .map(|channel| {
                let (ready, wanted) = channel.status.connected();
                serde_json::json!({
                    "subaccount": channel.owner.subaccount,
                    "id": channel.id,
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
            "configuration": { "problem": config.problem, "needs_restart": config.needs_restart },
            "channels": channels,
            "certificate": facts.as_ref().map(|facts| serde_json::json!({
                "subject": facts.subject,
                "expires_in_seconds": facts.not_after
                    .duration_since(SystemTime::now()).unwrap_or_default().as_secs(),
            })),
            "sessions_per_worker": self.crew.sessions(),
        })
    }

    /// Warns of certificates that expire soon. For a daily call.
    pub fn warn_of_expiry(&self) {
        let certificate = self.certificate.lock().unwrap_or_else(PoisonError::into_inner);
        certificate.facts.iter().for_each(warn_of_expiry);
        certificate.local_facts.iter().for_each(warn_of_local_expiry);
    }

    /// Stops accepting, lets streams end for the configured time, aborts the rest and ends the
    /// workers. Says how many streams were aborted.
    pub fn drain(&self, deadline: Option<Duration>) -> usize {
        drop(self.watch.lock().unwrap_or_else(PoisonError::into_inner).take());
        let configured = self.reloader().in_force().limits.drain_deadline;
        self.crew.drain(deadline.unwrap_or(configured))
    }
}

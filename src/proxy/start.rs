//! Starting and stopping a proxy.

use std::{
    cell::{Cell, RefCell},
    io,
    net::SocketAddr,
    rc::Rc,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime},
};

use tokio::sync::oneshot;

use super::{
    budgets::Budgets,
    doorkeeper::Doorkeeper,
    probe::Probe,
    reload::{Reloader, Status, warn_of_expiry},
    role::{ProxyMessage, ProxyRole},
    sources::settings,
};
use crate::{
    config::{ConfigStatus, ProxyConfig, watch::FileWatch},
    engine::Listener,
    limits,
    mapping::Snapshot,
    telemetry::Repeats,
    tls::{Facts, MaterialError},
    worker::{self, Crew, Listening, Plan},
};

/// Why a proxy cannot start. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its certificates cannot be used.
    #[error("{0}")]
    Material(#[from] MaterialError),
    /// Its port cannot be had.
    #[error("cannot listen on {0}: {1}; choose another [tunnel] listen, or stop what holds it")]
    Listen(SocketAddr, io::Error),
    /// Threads, event loops or file watches cannot be made.
    #[error("cannot start: {0}")]
    System(#[from] io::Error),
}

/// A proxy that serves.
pub struct RunningProxy {
    address: SocketAddr,
    crew: Arc<Crew<ProxyMessage>>,
    pub(super) status: Arc<Mutex<Status>>,
    config_status: Arc<Mutex<ConfigStatus>>,
    reloader: Arc<Mutex<Reloader>>,
    /// Stops watching when dropped; `None` once draining.
    watch: Mutex<Option<FileWatch>>,
    probe: Probe,
    /// Set once it is to stop, before it stops accepting.
    leaving: AtomicBool,
}

/// Starts a proxy on the given workers.
///
/// # Errors
/// [`StartError`] says what is wrong and what to do.
pub fn start(config: &ProxyConfig, plan: &Plan) -> Result<RunningProxy, StartError> {
    start_with(config, plan, None)
}

/// Starts a proxy whose mappings come through [`RunningProxy::publish`], with the first of them
/// in force before it listens.
///
/// # Errors
/// [`StartError`] says what is wrong and what to do.
pub fn start_with(
    config: &ProxyConfig,
    plan: &Plan,
    first: Option<Snapshot>,
) -> Result<RunningProxy, StartError> {
    let mut reloader = Reloader::new(config, plan.records.audit.clone());
    // The first look never answers "unchanged".
    let material = reloader.changed_tls()?.ok_or_else(|| io::Error::other("no certificates"))?;
    let table = match first {
        Some(first) => reloader.take_mappings(first.mappings, first.problems),
        None => reloader.changed_mappings().unwrap_or_default(),
    };
    let listen = config.tunnel.listen;
    let (address, listeners) = Listener::bind_group(listen, plan.cores.len())
        .map_err(|error| StartError::Listen(listen, error))?;
    let tls = material.tls;
    let workers = plan.cores.len();
    let settings = settings(config, workers);
    let crew = worker::start(plan, vec![Listening::everywhere(listeners)], move |worker| {
        let (strangers, offenders) = (settings.strangers_per_second, settings.offenders_per_second);
        worker.shard.set_memory(settings.memory_bytes_max);
        Rc::new(ProxyRole {
            settings: RefCell::new(Rc::new(settings.clone())),
            tls: tls.clone().into(),
            tls_era: Cell::default(),
            table: table.clone().into(),
            repeats: Repeats::new(limits::LOG_REPEATS_MAX, limits::LOG_REPEATS_INTERVAL).into(),
            budgets: Budgets::new(worker.shard.loans.clone(), workers).into(),
            doorkeeper: Doorkeeper::new(strangers, offenders, Instant::now()).into(),
        })
    })?;
    let crew = Arc::new(crew);
    let openings = crew.openings().clone();
    let status = reloader.status.clone();
    let config_status = reloader.config_status();
    let watched = reloader.watched.clone();
    reloader.watch();
    let reloader = Arc::new(Mutex::new(reloader));
    let reload = {
        let (reloader, crew) = (reloader.clone(), crew.clone());
        move || reloader.lock().unwrap_or_else(PoisonError::into_inner).reload(&crew)
    };
    let watch = FileWatch::spawn_on(watched, reload.clone())?;
    // What changed between the first look and the watch must not wait for the next change.
    reload();
    Ok(RunningProxy {
        address,
        crew,
        status,
        config_status,
        reloader,
        watch: Mutex::new(Some(watch)),
        probe: Probe::start(address, &config.tunnel.external_host, openings)?,
        leaving: AtomicBool::new(false),
    })
}

impl RunningProxy {
    /// Puts mappings in force; streams they no longer allow end.
    pub fn publish(&self, snapshot: Snapshot) {
        let mut reloader = self.reloader();
        let table = reloader.take_mappings(snapshot.mappings, snapshot.problems);
        // Under the lock, so that two publishers cannot overtake each other.
        self.crew.tell(|| ProxyMessage::Mappings(table.clone()));
    }

    /// Looks again at the configuration, the certificates and the mappings, as if their files had
    /// changed; nothing once it drains.
    pub fn reload(&self) {
        if !self.leaving.load(Relaxed) {
            self.reloader().reload(&self.crew);
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

    /// How long it still accepts once it is told to stop.
    pub fn drain_delay(&self) -> Duration {
        self.reloader().in_force().limits.drain_delay
    }

    pub(super) fn reloader(&self) -> MutexGuard<'_, Reloader> {
        self.reloader.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many mappings are in force, and how many problems there are with others.
    pub fn mapping_counts(&self) -> (usize, usize) {
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        (status.mappings, status.problems.len())
    }

    /// What our own certificate says, with the first end of the authorities of its clients.
    pub fn certificate(&self) -> Option<Facts> {
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        status.certificate.clone()
    }

    /// Changes of its certificates and mappings that took effect, and those that were refused.
    pub fn reloads(&self) -> (u64, u64) {
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        (status.reloads, status.reloads_failed)
    }

    /// Where tunnels are accepted.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its workers.
    pub fn crew(&self) -> &Arc<Crew<ProxyMessage>> {
        &self.crew
    }

    /// Asks for a fresh look at whether tunnels open, for [`RunningProxy::unready`] to tell; the
    /// receiver hears when it is over. Nothing where there is nothing to find out any more.
    pub fn look(&self) -> Option<oneshot::Receiver<()>> {
        (!self.leaving.load(Relaxed)).then(|| self.probe.look())
    }

    /// Why no new tunnels should come here, as far as is known without waiting.
    pub fn unready(&self) -> Vec<String> {
        if self.leaving.load(Relaxed) {
            return vec!["draining".to_owned()];
        }
        self.probe.problem().into_iter().collect()
    }

    /// Says from now on that no new tunnels should come here, and goes on serving those that do:
    /// whoever sends them needs a while to see it.
    pub fn leave(&self) {
        self.leaving.store(true, Relaxed);
    }

    /// What an operator wants to know besides counters: mappings, problems, the certificate.
    pub fn details(&self) -> serde_json::Value {
        let config = self.config_status();
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        serde_json::json!({
            "role": "proxy",
            "configuration": { "problem": config.problem, "needs_restart": config.needs_restart },
            "listen": self.address.to_string(),
            "mappings": status.mappings,
            "mapping_problems": status.problems,
            "tls_problem": status.tls_problem,
            "certificate": status.certificate.as_ref().map(|facts| serde_json::json!({
                "subject": facts.subject,
                "expires_in_seconds": facts.not_after
                    .duration_since(SystemTime::now()).unwrap_or_default().as_secs(),
            })),
            "sessions_per_worker": self.crew.sessions(),
        })
    }

    /// Warns of a certificate that expires soon. For a daily call.
    pub fn warn_of_expiry(&self) {
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(facts) = &status.certificate {
            warn_of_expiry(facts);
        }
    }

    /// Stops accepting, lets streams end for the configured time, aborts the rest and ends the
    /// workers. Says how many streams were aborted.
    pub fn drain(&self, deadline: Option<Duration>) -> usize {
        self.leave();
        drop(self.watch.lock().unwrap_or_else(PoisonError::into_inner).take());
        let configured = self.reloader().in_force().limits.drain_deadline;
        self.crew.drain(deadline.unwrap_or(configured))
    }
}

//! Starting and stopping a proxy.

use std::{
    cell::Cell,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
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
    role::{ProxyMessage, ProxyRole, Settings},
};
use crate::{
    config::{ProxyConfig, watch::FileWatch},
    engine::Listener,
    mapping::Snapshot,
    telemetry::Repeats,
    tls::{Facts, MaterialError},
    tunnel::Timeouts,
    worker::{self, Crew, Listening, Plan},
};

/// Lines per kind of refusal and subaccount in [`REFUSAL_LINES_INTERVAL`]; the rest is counted.
const REFUSAL_LINES_MAX: u32 = 10;
const REFUSAL_LINES_INTERVAL: Duration = Duration::from_secs(10);

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
    pub(super) reloader: Arc<Mutex<Reloader>>,
    drain_deadline: Duration,
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
    let mut reloader = Reloader::new(config);
    // The first look never answers "unchanged".
    let material = reloader.changed_tls()?.ok_or_else(|| io::Error::other("no certificates"))?;
    let table = match first {
        Some(first) => reloader.take_mappings(first.mappings, first.problems),
        None => reloader.changed_mappings().unwrap_or_default(),
    };
    let listen = config.tunnel.listen;
    let (address, listeners) = Listener::bind_group(listen, plan.cores.len())
        .map_err(|error| StartError::Listen(listen, error))?;
    let settings = settings(config);
    let tls = material.tls;
    let workers = plan.cores.len();
    let strangers_per_second = config.limits.handshakes_per_second_max;
    let offenders_per_second = config.limits.offender_handshakes_per_second;
    let crew = worker::start(plan, vec![Listening::everywhere(listeners)], move |_| {
        std::rc::Rc::new(ProxyRole {
            settings: settings.clone(),
            tls: tls.clone().into(),
            tls_era: Cell::default(),
            table: table.clone().into(),
            repeats: Repeats::new(REFUSAL_LINES_MAX, REFUSAL_LINES_INTERVAL).into(),
            budgets: Budgets::new(workers).into(),
            doorkeeper: Doorkeeper::new(strangers_per_second, offenders_per_second, Instant::now())
                .into(),
        })
    })?;
    let crew = Arc::new(crew);
    let openings = crew.openings().clone();
    let status = reloader.status.clone();
    let paths = reloader.paths();
    let reloader = Arc::new(Mutex::new(reloader));
    let reload = {
        let (reloader, crew) = (reloader.clone(), crew.clone());
        move || reloader.lock().unwrap_or_else(PoisonError::into_inner).reload(&crew)
    };
    let watch = FileWatch::spawn(paths, reload.clone())?;
    // What changed between the first look and the watch must not wait for the next change.
    reload();
    Ok(RunningProxy {
        address,
        crew,
        status,
        reloader,
        drain_deadline: config.limits.drain_deadline,
        watch: Mutex::new(Some(watch)),
        probe: Probe::start(address, &config.tunnel.external_host, openings)?,
        leaving: AtomicBool::new(false),
    })
}

fn settings(config: &ProxyConfig) -> Settings {
    let limits = &config.limits;
    let strict = config.tunnel.strict_sni
        && config.tunnel.external_host.parse::<std::net::IpAddr>().is_err();
    Settings {
        // An address cannot be sent as SNI (RFC 6066 §3), so there is nothing to hold it against.
        server_names: if strict { vec![config.tunnel.external_host.clone()] } else { Vec::new() },
        listen: config.tunnel.listen.ip(),
        timeouts: Timeouts { idle: limits.idle_timeout, half_closed: limits.half_closed_timeout },
        dial_timeout: limits.dial_timeout,
        streams_per_subaccount_max: limits.streams_per_subaccount_max,
        streams_per_tunnel_max: limits.streams_per_tunnel_max,
    }
}

impl RunningProxy {
    /// Puts mappings in force; streams they no longer allow end.
    pub fn publish(&self, snapshot: Snapshot) {
        let mut reloader = self.reloader.lock().unwrap_or_else(PoisonError::into_inner);
        let table = reloader.take_mappings(snapshot.mappings, snapshot.problems);
        // Under the lock, so that two publishers cannot overtake each other.
        self.crew.tell(|| ProxyMessage::Mappings(table.clone()));
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

    /// Reloads that took effect, and those that were refused.
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
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        serde_json::json!({
            "role": "proxy",
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
        self.crew.drain(deadline.unwrap_or(self.drain_deadline))
    }
}

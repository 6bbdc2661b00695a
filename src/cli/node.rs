//! What both roles need to run as a process: the log, open files, engine and cores, and the admin
//! server's view of the workers.

use std::{
    net::SocketAddr,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::oneshot;

use super::notify::{KeptAlive, Manager};
use crate::{
    admin::{self, Admin, Readiness, Source},
    config::{ConfigStatus, EngineChoice, LogConfig, LogFormat, Pin, WorkersConfig},
    connector::{RunningChannel, RunningConnector},
    engine::{self, PinWanted, preflight},
    limits,
    proxy::RunningProxy,
    telemetry::{Counters, CountersSnapshot, Fact, Latency, Records, log},
    worker::Plan,
};

/// A failure that ends the command, in words for whoever typed it.
pub struct Failure(pub(super) String);

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Prints a failure the way every subcommand does.
pub(super) fn report(outcome: Result<(), Failure>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure(text)) => {
            eprintln!("causeway: {text}");
            ExitCode::FAILURE
        }
    }
}

/// Sets up the log as configured.
pub(super) fn start_log(config: &LogConfig) -> Result<log::Control, Failure> {
    let format = match config.format {
        LogFormat::Console => log::Format::Console,
        LogFormat::Json => log::Format::Json,
    };
    Ok(log::init(format, &config.level)?)
}

/// Puts the level of a changed configuration in force.
pub(super) fn set_level(log: log::Control) -> impl Fn(&str) + Send + 'static {
    move |level| {
        if let Err(error) = log.set_level(level) {
            tracing::error!(%error, "keeping the level of the log");
        }
    }
}

/// Warns, with numbers, when the limit of open files is less than what the configuration lets
/// traffic take.
pub(super) fn check_open_files(why: &str, descriptors: usize) {
    let Ok((limit, _)) = engine::open_files() else { return };
    let needed = (descriptors as u64).saturating_add(limits::DESCRIPTORS_RESERVED as u64);
    if limit < needed {
        tracing::warn!(
            limit,
            needed,
            why,
            "the limit of open files is lower than what the configuration allows; connections \
             beyond it are refused; see `causeway doctor`"
        );
    }
}

/// Raises the limit of open files, chooses the engine and plans the workers. What was chosen and
/// why is logged, one line each.
///
/// # Errors
/// When the engine that was demanded cannot be had, with what was found, why and how to fix it.
pub fn plan(role: &'static str, config: &WorkersConfig) -> Result<Plan, String> {
    match engine::raise_open_files() {
        Ok(files) => {
            tracing::debug!(limit = files.limit, traffic = files.traffic, "open files");
        }
        Err(error) => tracing::warn!(%error, "the limit of open files cannot be raised"),
    }
    let pin = match config.pin {
        Pin::Auto => PinWanted::Auto,
        Pin::Always => PinWanted::Always,
        Pin::Never => PinWanted::Never,
    };
    let cores = engine::plan(config.count, pin);
    let wanted = match config.engine {
        EngineChoice::Auto => preflight::Wanted::Auto,
        EngineChoice::IoUring => preflight::Wanted::IoUring,
        EngineChoice::Epoll => preflight::Wanted::Epoll,
    };
    let chosen = preflight::choose(wanted, cores.cores.len())?;
    tracing::info!("{}", chosen.line);
    tracing::info!("{}", cores.line);
    Ok(Plan { role, kind: chosen.kind, cores: cores.cores, records: Records::default() })
}

/// A running role, as the admin server sees it.
pub trait Node: Send + Sync + 'static {
    /// Why new work should not be sent here; nothing when it may be.
    fn unready(&self) -> Vec<String>;
    /// Asks for a fresh look, where [`Node::unready`] tells of one; hears when it is over.
    fn look(&self) -> Option<oneshot::Receiver<()>> {
        None
    }
    /// What is wrong and no reason against new work.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
    /// Numbers that belong to the process and not to a worker.
    fn facts(&self) -> Vec<(Fact, u64)> {
        Vec::new()
    }
    /// Latency samples since the last call, and what is missing from them.
    fn take_latency(&self) -> (Latency, Vec<String>);
    /// The workers' counters.
    fn counters(&self) -> &[Arc<Counters>];
    /// What else is worth knowing.
    fn details(&self) -> serde_json::Value;
    /// Workers that do not answer.
    fn silent(&self) -> Vec<usize>;
}

/// Tells the service manager that the node serves, and from then on that its workers answer.
pub(super) fn tell_ready<N: Node>(
    manager: &Manager,
    node: &Arc<N>,
    status: &str,
) -> Result<Option<KeptAlive>, Failure> {
    manager.ready(status);
    let node = node.clone();
    let alive = move || {
        let silent = node.silent();
        if !silent.is_empty() {
            tracing::error!(
                ?silent,
                "workers do not answer; the service manager is not told to wait"
            );
        }
        silent.is_empty()
    };
    Ok(manager.keep_alive(alive)?)
}

impl Node for RunningProxy {
    fn unready(&self) -> Vec<String> {
        Self::unready(self)
    }

    fn look(&self) -> Option<oneshot::Receiver<()>> {
        Self::look(self)
    }

    fn facts(&self) -> Vec<(Fact, u64)> {
        let (mappings, problems) = self.mapping_counts();
        let mut facts = config_facts(&self.config_status());
        facts.push((Fact::Mappings, mappings as u64));
        facts.push((Fact::MappingProblems, problems as u64));
        facts
    }

    fn take_latency(&self) -> (Latency, Vec<String>) {
        self.crew().take_latency()
    }

    fn counters(&self) -> &[Arc<Counters>] {
        self.crew().counters()
    }

    fn details(&self) -> serde_json::Value {
        Self::details(self)
    }

    fn silent(&self) -> Vec<usize> {
        self.crew().silent()
    }
}

fn config_facts(status: &ConfigStatus) -> Vec<(Fact, u64)> {
    vec![
        (Fact::Reloads, status.reloads),
        (Fact::ReloadsFailed, status.refused),
        (Fact::ConfigurationDiffers, status.differs().into()),
    ]
}

impl Node for RunningConnector {
    fn facts(&self) -> Vec<(Fact, u64)> {
        config_facts(&self.config_status())
    }

    fn unready(&self) -> Vec<String> {
        if self.is_draining() {
            return vec!["draining".to_owned()];
        }
        // One refused service is that channel's trouble; a connector that can serve none is not
        // ready.
        let channels = self.channels();
        let enabled = || channels.iter().filter(|channel| channel.config.enabled);
        let problem = |channel: &RunningChannel| {
            let problem = channel.status.problem()?;
            Some(format!("channel {}: {problem}", channel.config.endpoint))
        };
        let problems: Vec<String> = enabled().filter_map(problem).collect();
        if problems.len() < enabled().count() { Vec::new() } else { problems }
    }

    fn take_latency(&self) -> (Latency, Vec<String>) {
        self.crew().take_latency()
    }

    fn counters(&self) -> &[Arc<Counters>] {
        self.crew().counters()
    }

    fn details(&self) -> serde_json::Value {
        Self::details(self)
    }

    fn silent(&self) -> Vec<usize> {
        self.crew().silent()
    }
}

/// Gathers what the workers hand out, so that every reader sees everything since the start.
pub(super) struct Gathered<N> {
    node: Arc<N>,
    engine: engine::Kind,
    records: Records,
    total: Mutex<Latency>,
}

impl<N: Node> Gathered<N> {
    /// Of one running role.
    pub(super) fn new(node: Arc<N>, plan: &Plan) -> Self {
        let records = plan.records.clone();
        Self { node, engine: plan.kind, records, total: Mutex::new(Latency::new()) }
    }
}

impl<N: Node> Source for Gathered<N> {
    fn ready(&self) -> Readiness {
        Readiness { reasons: self.node.unready(), notes: self.node.notes() }
    }

    fn look(&self) -> Option<oneshot::Receiver<()>> {
        self.node.look()
    }

    fn latency(&self) -> (Latency, Vec<String>) {
        let (news, problems) = self.node.take_latency();
        let mut total = self.total.lock().unwrap_or_else(PoisonError::into_inner);
        total.merge(&news);
        (total.clone(), problems)
    }

    fn counters(&self) -> CountersSnapshot {
        let counters = CountersSnapshot::of(self.node.counters());
        let facts = self.node.facts().into_iter().chain(self.records.facts());
        facts
            .fold(counters, |counters, (fact, value)| counters.with(fact, value))
            .labelled("engine", self.engine.to_string())
    }

    fn details(&self) -> serde_json::Value {
        self.node.details()
    }
}

/// Starts the admin server where configured.
pub(super) fn start_admin<N: Node>(
    listen: Option<SocketAddr>,
    node: &Arc<N>,
    plan: &Plan,
) -> Result<Option<Admin>, Failure> {
    let Some(listen) = listen else {
        return Ok(None);
    };
    let admin = admin::serve(listen, Arc::new(Gathered::new(node.clone(), plan)))?;
    tracing::info!(address = %admin.addr(), "admin server listens");
    Ok(Some(admin))
}

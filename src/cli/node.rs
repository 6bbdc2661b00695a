//! What both roles need to run as a process: the log, open files, engine and cores, and the admin
//! server's view of the workers.

use std::{
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::oneshot;

use super::{operate::Operator, operated::Operated, signals::EndSwitch};
use crate::{
    admin::{self, Admin, Operations, Readiness, Source},
    config::{AdminConfig, EngineChoice, LogConfig, LogFormat, Pin, WorkersConfig},
    connector::{RunningChannel, RunningConnector},
    engine::{self, PinWanted, preflight},
    proxy::RunningProxy,
    telemetry::{Counters, CountersSnapshot, Fact, Latency, log},
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

/// Sets up the log as configured; what it returns changes its level.
pub(super) fn start_log(config: &LogConfig) -> Result<log::Control, Failure> {
    let format = match config.format {
        LogFormat::Console => log::Format::Console,
        LogFormat::Json => log::Format::Json,
    };
    Ok(log::init(format, &config.level)?)
}

/// Raises the limit of open files, chooses the engine and plans the workers. What was chosen and
/// why is logged, one line each.
///
/// # Errors
/// When the engine that was demanded cannot be had, with what was found, why and how to fix it.
pub fn plan(role: &'static str, config: &WorkersConfig) -> Result<Plan, String> {
    match engine::raise_open_files() {
        Ok(limit) => tracing::debug!(limit, "open files"),
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
    Ok(Plan { role, kind: chosen.kind, cores: cores.cores })
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
        vec![(Fact::Mappings, mappings as u64), (Fact::MappingProblems, problems as u64)]
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
}

impl Node for RunningConnector {
    fn unready(&self) -> Vec<String> {
        if self.is_draining() {
            return vec!["draining".to_owned()];
        }
        // One refused service is that channel's trouble; a connector that can serve none is not
        // ready.
        let enabled = || self.channels().iter().filter(|channel| channel.config.enabled);
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
}

/// Gathers what the workers hand out, so that every reader sees everything since the start.
pub(super) struct Gathered<N> {
    node: Arc<N>,
    engine: engine::Kind,
    total: Mutex<Latency>,
    operator: Operator<N>,
}

impl<N: Node + Operated> Source for Gathered<N> {
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
        let facts = self.node.facts().into_iter();
        facts
            .fold(counters, |counters, (fact, value)| counters.with(fact, value))
            .labelled("engine", self.engine.to_string())
    }

    fn details(&self) -> serde_json::Value {
        self.node.details()
    }

    fn operations(&self) -> Option<&dyn Operations> {
        Some(&self.operator)
    }
}

/// Starts the admin server where configured. By it the log's level is changed and the end switch
/// pressed.
pub(super) fn start_admin<N: Node + Operated>(
    config: Option<&AdminConfig>,
    node: &Arc<N>,
    log: log::Control,
    end: &EndSwitch,
) -> Result<Option<Admin>, Failure> {
    let Some(config) = config else {
        return Ok(None);
    };
    let source = Gathered {
        node: node.clone(),
        engine: node.plan().kind,
        total: Mutex::new(Latency::new()),
        operator: Operator { node: node.clone(), log, end: end.clone() },
    };
    let admin = admin::serve_with(config, Arc::new(source))?;
    if let Some(address) = admin.address() {
        tracing::info!(%address, "admin server listens");
    }
    if let Some(address) = admin.probes() {
        tracing::info!(%address, "probes are answered");
    }
    Ok(Some(admin))
}

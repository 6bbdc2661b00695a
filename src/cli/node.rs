//! What both roles need to run as a process: the log, open files, engine and cores, and the admin
//! server's view of the workers.

use std::{
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    time::{Instant, SystemTime},
};

use tokio::sync::oneshot;

use super::{operate::Operator, operated::Operated, signals::EndSwitch};
use crate::{
    admin::{self, Admin, Operations, Readiness, Source},
    config::{AdminConfig, EngineChoice, LogConfig, LogFormat, Pin, WorkersConfig},
    connector::{RunningChannel, RunningConnector},
    engine::{self, PinWanted, RingFacts, Rings, preflight},
    limits,
    proxy::RunningProxy,
    telemetry::{Counters, CountersSnapshot, Fact, Figures, News, Several, log},
    tls::Facts,
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
    /// "proxy" or "connector".
    fn role(&self) -> &'static str;
    /// Gauges of what the configuration has several of.
    fn several(&self) -> Vec<Several> {
        Vec::new()
    }
    /// Numbers that belong to the process and not to a worker.
    fn facts(&self) -> Vec<(Fact, u64)> {
        Vec::new()
    }
    /// What each worker recorded since the last call, with its number, and what is missing.
    fn take_news(&self) -> (Vec<(usize, News)>, Vec<String>);
    /// The workers' counters.
    fn counters(&self) -> &[Arc<Counters>];
    /// What else is worth knowing.
    fn details(&self) -> serde_json::Value;
}

impl Node for RunningProxy {
    fn role(&self) -> &'static str {
        "proxy"
    }

    fn unready(&self) -> Vec<String> {
        Self::unready(self)
    }

    fn look(&self) -> Option<oneshot::Receiver<()>> {
        Self::look(self)
    }

    fn facts(&self) -> Vec<(Fact, u64)> {
        let (mappings, problems) = self.mapping_counts();
        let (reloads, refused) = self.reloads();
        let mut facts = vec![
            (Fact::Mappings, mappings as u64),
            (Fact::MappingProblems, problems as u64),
            (Fact::Reloads, reloads),
            (Fact::ReloadsFailed, refused),
            (Fact::CreditBytesMax, limits::WORKER_LOAN_BYTES_MAX as u64),
        ];
        facts.extend(self.certificate().iter().flat_map(ends));
        facts
    }

    fn take_news(&self) -> (Vec<(usize, News)>, Vec<String>) {
        self.crew().take_news()
    }

    fn counters(&self) -> &[Arc<Counters>] {
        self.crew().counters()
    }

    fn details(&self) -> serde_json::Value {
        Self::details(self)
    }
}

impl Node for RunningConnector {
    fn role(&self) -> &'static str {
        "connector"
    }

    fn several(&self) -> Vec<Several> {
        let enabled = || self.channels().iter().filter(|channel| channel.config.enabled);
        let of_each = |name, help, value: fn(&RunningChannel) -> u64| {
            let labels = |channel: &RunningChannel| {
                let local = channel.address.unwrap_or(channel.config.local).to_string();
                vec![("service", channel.config.endpoint.service.clone()), ("local", local)]
            };
            let values = enabled().map(|channel| (labels(channel), value(channel))).collect();
            Several { name, help, values }
        };
        vec![
            of_each("channel_tunnels_ready", "Tunnels ready for streams.", |channel| {
                channel.status.connected().0 as u64
            }),
            of_each("channel_tunnels_wanted", "Tunnels that are kept ready.", |channel| {
                channel.status.connected().1 as u64
            }),
            of_each("channel_problem", "Whether the channel has a problem.", |channel| {
                u64::from(channel.status.problem().is_some())
            }),
        ]
    }

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

    fn facts(&self) -> Vec<(Fact, u64)> {
        let (reloads, refused) = self.reloads();
        let mut facts = vec![(Fact::Reloads, reloads), (Fact::ReloadsFailed, refused)];
        facts.extend(ends(&self.certificate()));
        facts
    }

    fn take_news(&self) -> (Vec<(usize, News)>, Vec<String>) {
        self.crew().take_news()
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
    figures: Mutex<Figures>,
    rings: Rings,
    started: SystemTime,
    operator: Operator<N>,
}

impl<N: Node + Operated> Source for Gathered<N> {
    fn ready(&self) -> Readiness {
        Readiness { reasons: self.node.unready(), notes: self.node.notes() }
    }

    fn look(&self) -> Option<oneshot::Receiver<()>> {
        self.node.look()
    }

    fn figures(&self, look: &mut dyn FnMut(&mut Figures, &[String])) {
        let (news, problems) = self.node.take_news();
        let mut figures = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        figures.take_in(news, Instant::now());
        look(&mut figures, &problems);
    }

    fn counters(&self) -> CountersSnapshot {
        let counters = CountersSnapshot::of(self.node.counters());
        let facts = self.node.facts().into_iter().chain([
            (Fact::StartTime, unix_seconds(self.started)),
            (Fact::BufferBytesMax, limits::POOL_BYTES_SOFT_MAX as u64),
        ]);
        facts
            .chain(self.rings.look().into_iter().flat_map(ring_facts))
            .fold(counters, |counters, (fact, value)| counters.with(fact, value))
            .labelled("role", self.node.role())
            .labelled("engine", self.engine.to_string())
            .with_several(self.node.several())
    }

    fn details(&self) -> serde_json::Value {
        self.node.details()
    }

    fn operations(&self) -> Option<&dyn Operations> {
        Some(&self.operator)
    }
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// When a certificate ends, and the first of the authorities beside it.
fn ends(facts: &Facts) -> Vec<(Fact, u64)> {
    let own = (Fact::CertificateNotAfter, unix_seconds(facts.not_after));
    let authority = facts.authority_not_after.map(unix_seconds);
    let authority = authority.map(|end| (Fact::AuthorityNotAfter, end));
    std::iter::once(own).chain(authority).collect()
}

fn ring_facts(facts: RingFacts) -> [(Fact, u64); 5] {
    [
        (Fact::Rings, facts.rings),
        (Fact::RingSubmissions, facts.submissions),
        (Fact::RingCompletions, facts.completions),
        (Fact::RingOverflow, facts.overflowed),
        (Fact::RingBuffers, facts.buffers),
    ]
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
        figures: Mutex::new(Figures::new(node.counters().len())),
        rings: Rings::find(),
        started: SystemTime::now(),
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

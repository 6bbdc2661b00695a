//! What both roles need to run as a process: the log, open files, engine and cores, and the admin
//! server's view of the workers.

use std::{
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant, SystemTime},
};

use axum::Router;
use tokio::sync::oneshot;

use super::{
    notify::{KeptAlive, Manager},
    operate::Operator,
    operated::Operated,
    signals::EndSwitch,
};
use crate::{
    admin::{self, Admin, Operations, Readiness, Source},
    config::{AdminConfig, EngineChoice, LogConfig, LogFormat, Pin, WorkersConfig},
    engine::{self, PinWanted, RingFacts, Rings, preflight},
    limits,
    telemetry::{Counters, CountersSnapshot, Fact, Figures, News, Records, Several, log},
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

/// Gathers what the workers hand out, so that every reader sees everything since the start.
pub(super) struct Gathered<N> {
    node: Arc<N>,
    engine: engine::Kind,
    figures: Mutex<Kept>,
    rings: Rings,
    started: SystemTime,
    operator: Operator<N>,
}

/// What was gathered so far.
struct Kept {
    figures: Figures,
    /// When the workers were asked last.
    asked_at: Option<Instant>,
    /// Who did not answer then.
    problems: Vec<String>,
}

impl<N: Node + Operated> Source for Gathered<N> {
    fn ready(&self) -> Readiness {
        Readiness { reasons: self.node.unready(), notes: self.node.notes() }
    }

    fn look(&self) -> Option<oneshot::Receiver<()>> {
        self.node.look()
    }

    fn figures(&self, age_max: Duration, look: &mut dyn FnMut(&mut Figures, &[String])) {
        let mut kept = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        let Kept { figures, asked_at, problems } = &mut *kept;
        if asked_at.is_none_or(|at| at.elapsed() >= age_max) {
            let news;
            (news, *problems) = self.node.take_news();
            figures.take_in(news, Instant::now());
            *asked_at = Some(Instant::now());
        }
        look(figures, problems);
    }

    fn counters(&self) -> CountersSnapshot {
        let counters = CountersSnapshot::of(self.node.counters());
        let records = &self.node.plan().records;
        let facts = self.node.facts().into_iter().chain(records.facts()).chain([
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

pub(super) fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
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

/// Goes on accepting for a while after `signal`, so that whoever asks whether we are ready hears
/// that we are not before it is true.
pub(super) fn linger(signal: &str, delay: Duration) {
    if !delay.is_zero() {
        let seconds = delay.as_secs();
        tracing::info!(signal, seconds, "no longer ready; accepts a little longer");
        thread::sleep(delay);
    }
}

/// What the admin server asks of a node. By it the log's level is changed and the end switch
/// pressed. There is one of it: what workers hand out is handed out once.
pub(super) fn source_of<N: Node + Operated>(
    node: &Arc<N>,
    log: log::Control,
    end: &EndSwitch,
) -> Arc<dyn Source> {
    Arc::new(Gathered {
        node: node.clone(),
        engine: node.plan().kind,
        figures: Mutex::new(Kept {
            figures: Figures::new(node.counters().len()),
            asked_at: None,
            problems: Vec::new(),
        }),
        rings: Rings::find(),
        started: SystemTime::now(),
        operator: Operator { node: node.clone(), log, end: end.clone() },
    })
}

/// Starts the admin server where configured. `around` is what else is served there.
pub(super) fn start_admin(
    config: Option<&AdminConfig>,
    source: Arc<dyn Source>,
    around: impl FnOnce(Router) -> Router,
) -> Result<Option<Admin>, Failure> {
    let Some(config) = config else {
        return Ok(None);
    };
    let admin = admin::serve_around(config, source, around)?;
    if let Some(address) = admin.address() {
        tracing::info!(%address, "admin server listens");
    }
    if let Some(address) = admin.probes() {
        tracing::info!(%address, "probes are answered");
    }
    Ok(Some(admin))
}

//! What both roles configure alike.

use std::fmt;

use super::document::Document;
use super::raw;
use crate::limits;

/// The threads that carry bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkersConfig {
    /// How many; 0 is one per usable core.
    pub count: usize,
    /// What drives their input and output.
    pub engine: EngineChoice,
    /// Whether each stays on its core.
    pub pin: Pin,
}

/// The I/O driver asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EngineChoice {
    /// io_uring where the kernel has and allows it, else epoll.
    #[default]
    Auto,
    /// io_uring, or do not start.
    IoUring,
    /// epoll.
    Epoll,
}

impl fmt::Display for EngineChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::IoUring => "io_uring",
            Self::Epoll => "epoll",
        })
    }
}

/// Whether workers are tied to cores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pin {
    /// Where the process may use every core of the machine alone.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What the log says and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogConfig {
    /// The form of a line.
    pub format: LogFormat,
    /// A level, or several with targets: `info,causeway::relay=debug`.
    pub level: String,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Console,
    /// One JSON object a line.
    Json,
}

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

pub(super) fn workers(document: &mut Document<'_>, raw: &raw::Workers) -> Option<WorkersConfig> {
    let count = document.number("workers.count", raw.count.unwrap_or(0), 0..=limits::WORKERS_MAX);
    let engines = [
        ("auto", EngineChoice::Auto),
        ("io_uring", EngineChoice::IoUring),
        ("epoll", EngineChoice::Epoll),
    ];
    let engine =
        document.choice("workers.engine", raw.engine.as_deref(), &engines, EngineChoice::Auto);
    let pins = [("auto", Pin::Auto), ("always", Pin::Always), ("never", Pin::Never)];
    let pin = document.choice("workers.pin", raw.pin.as_deref(), &pins, Pin::Auto);
    Some(WorkersConfig { count: count?, engine: engine?, pin: pin? })
}

pub(super) fn log(document: &mut Document<'_>, raw: &raw::Log) -> Option<LogConfig> {
    let formats = [("console", LogFormat::Console), ("json", LogFormat::Json)];
    let format = document.choice("log.format", raw.format.as_deref(), &formats, LogFormat::Console);
    let level = raw.level.as_deref().unwrap_or("info");
    if let Some(wrong) = level.split(',').find(|directive| !is_directive(directive)) {
        document.fault(
            "log.level",
            format!(
                "{wrong:?} is no level; write one of {}, or `module=level` parts with commas \
                 between them",
                LEVELS.join(", ")
            ),
        );
    }
    Some(LogConfig { format: format?, level: level.to_owned() })
}

fn is_directive(directive: &str) -> bool {
    let (target, level) = directive.rsplit_once('=').unwrap_or(("any", directive));
    !target.is_empty()
        && target.bytes().all(|b| b.is_ascii_alphanumeric() || b == b':' || b == b'_')
        && LEVELS.contains(&level)
}

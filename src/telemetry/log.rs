//! Sets the log up: lines on standard error, for people or as JSON, at a level that can change
//! while the program runs.

use std::{
    fmt,
    io::{IsTerminal, stderr},
    sync::{Arc, Mutex, PoisonError},
};

use tracing_subscriber::{
    EnvFilter, Registry,
    fmt::layer,
    layer::{Layer, SubscriberExt},
    reload,
    util::SubscriberInitExt,
};

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people; coloured on a terminal.
    #[default]
    Console,
    /// One JSON object a line.
    Json,
}

/// Why the log cannot be set up or changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogError {
    /// The level is not a filter.
    BadLevel {
        /// What was given.
        level: String,
        /// What the filter parser says.
        why: String,
    },
    /// A log is already set up in this process.
    AlreadySet,
}

impl fmt::Display for LogError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadLevel { level, why } => write!(
                formatter,
                "log level {level:?} is not valid: {why}; write error, warn, info, debug or trace, \
                 or a list such as \"info,causeway::relay=debug\""
            ),
            Self::AlreadySet => formatter.write_str("the log of this process is already set up"),
        }
    }
}

impl std::error::Error for LogError {}

/// Changes the level of the running log.
#[derive(Clone, Debug)]
pub struct Control {
    filter: reload::Handle<EnvFilter, Registry>,
    /// As it was written; shared by all clones.
    level: Arc<Mutex<String>>,
}

impl Control {
    /// Puts another level in force; on an error the old one stays.
    pub fn set_level(&self, level: &str) -> Result<(), LogError> {
        let filter = parse_level(level)?;
        // Held meanwhile, so that what is told is what was set last.
        let mut current = self.level.lock().unwrap_or_else(PoisonError::into_inner);
        self.filter.reload(filter).map_err(|error| bad_level(level, &error))?;
        level.clone_into(&mut current);
        Ok(())
    }

    /// The level in force, as it was written.
    #[must_use]
    pub fn level(&self) -> String {
        self.level.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Sets up the log of this process. `level` is a filter: `info`, or `info,causeway::relay=debug`.
pub fn init(format: Format, level: &str) -> Result<Control, LogError> {
    let (filter, handle) = reload::Layer::new(parse_level(level)?);
    let lines = match format {
        Format::Console => {
            let colours = stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
            layer().with_writer(stderr).with_ansi(colours).boxed()
        }
        Format::Json => layer().json().flatten_event(true).with_writer(stderr).boxed(),
    };
    let subscriber = tracing_subscriber::registry().with(filter).with(lines);
    subscriber.try_init().map_err(|_| LogError::AlreadySet)?;
    Ok(Control { filter: handle, level: Arc::new(Mutex::new(level.to_owned())) })
}

/// Checks a level without putting it in force: for configuration that is read before the log is.
pub fn check_level(level: &str) -> Result<(), LogError> {
    parse_level(level).map(drop)
}

fn parse_level(level: &str) -> Result<EnvFilter, LogError> {
    // The filter parser takes any word for a target and shows everything of it: "inof" would
    // silence the log.
    if level.trim().is_empty() {
        return Err(bad_level(level, &"it is empty"));
    }
    const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
    let words = level.split(',').map(str::trim);
    let known = |word: &str| LEVELS.iter().any(|known| known.eq_ignore_ascii_case(word));
    for word in words.filter(|word| !word.contains(['=', ':', '['])) {
        if !known(word) {
            return Err(bad_level(level, &format_args!("{word:?} is no level")));
        }
    }
    EnvFilter::try_new(level).map_err(|error| bad_level(level, &error))
}

fn bad_level(level: &str, why: &dyn fmt::Display) -> LogError {
    LogError::BadLevel { level: level.to_owned(), why: why.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_a_word_or_a_list() {
        for level in ["info", "WARN", "off", "info,causeway::relay=debug", "causeway=trace, warn"] {
            assert_eq!(check_level(level), Ok(()), "{level}");
        }
    }

    #[test]
    fn a_wrong_level_is_refused_in_words() {
        for level in ["", " ", "inof", "info,inof", "causeway=loud", "info,,warn"] {
            let error = check_level(level).expect_err(level).to_string();
            assert!(error.contains("write error, warn, info"), "{error}");
        }
    }

    #[test]
    fn the_level_of_a_running_log_can_change_and_a_wrong_one_changes_nothing() {
        let control = init(Format::Json, "off").unwrap();
        assert_eq!(init(Format::Console, "off").err(), Some(LogError::AlreadySet));
        assert!(!tracing::enabled!(tracing::Level::ERROR));
        control.set_level("warn").unwrap();
        control.set_level("inof").expect_err("no level");
        assert_eq!(control.level(), "warn");
        let enabled =
            (tracing::enabled!(tracing::Level::WARN), tracing::enabled!(tracing::Level::INFO));
        control.set_level("off").unwrap();
        assert_eq!(enabled, (true, false));
    }
}

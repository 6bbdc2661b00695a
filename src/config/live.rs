//! The configuration in force, and its file, which may say something else by now.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Change, ConfigError, ConnectorConfig, ProxyConfig, Setting, changes};

/// A configuration that can be read again.
pub trait Reloadable: Clone + PartialEq {
    /// Reads a file.
    ///
    /// # Errors
    /// Everything wrong with it.
    fn load(path: &Path) -> Result<Self, ConfigError>;
    /// The file it was read from.
    fn file(&self) -> Option<&Path>;
    /// Every key and its value.
    fn settings(&self) -> Vec<Setting>;
    /// This one as far as it can take the place of `in_force` without a restart.
    fn live(&self, in_force: &Self) -> Self;
}

macro_rules! reloadable {
    ($config:ty) => {
        impl Reloadable for $config {
            fn load(path: &Path) -> Result<Self, ConfigError> {
                Self::load(path)
            }

            fn file(&self) -> Option<&Path> {
                self.file.as_deref()
            }

            fn settings(&self) -> Vec<Setting> {
                self.settings()
            }

            fn live(&self, in_force: &Self) -> Self {
                self.live(in_force)
            }
        }
    };
}

reloadable!(ProxyConfig);
reloadable!(ConnectorConfig);

/// Puts another level of the log in force.
pub type SetLevel = Box<dyn Fn(&str) + Send>;

/// How the configuration in force and its file stand to each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigStatus {
    /// Why the file as it is now is not in force.
    pub problem: Option<String>,
    /// What of it is not in force before a restart:
    /// `tunnel.listen (in force 0.0.0.0:8042, in the file 0.0.0.0:9042)`.
    pub needs_restart: Vec<String>,
    /// Changes of the file that took effect.
    pub reloads: u64,
    /// Changes of the file that were refused.
    pub refused: u64,
}

impl ConfigStatus {
    /// Whether the file says something else than what is in force.
    #[must_use]
    pub fn differs(&self) -> bool {
        self.problem.is_some() || !self.needs_restart.is_empty()
    }
}

/// The configuration in force.
pub struct LiveConfig<C> {
    in_force: C,
    /// What the file says, where it can be read.
    found: C,
    status: Arc<Mutex<ConfigStatus>>,
}

impl<C: Reloadable> LiveConfig<C> {
    /// In force from the start.
    pub fn new(config: &C) -> Self {
        Self { in_force: config.clone(), found: config.clone(), status: Arc::default() }
    }

    /// What is in force.
    pub fn in_force(&self) -> &C {
        &self.in_force
    }

    /// What the file says, as far as it could be read: files it names matter, too.
    pub fn found(&self) -> &C {
        &self.found
    }

    /// The file, to be watched.
    pub fn file(&self) -> Option<PathBuf> {
        self.in_force.file().map(Path::to_path_buf)
    }

    /// How the two stand to each other, kept up to date.
    pub fn status(&self) -> Arc<Mutex<ConfigStatus>> {
        self.status.clone()
    }

    /// Reads the file again and puts in force what can be; `check` says what speaks against that.
    /// Answers with what was in force before, if anything changed. Everything is in the log, once.
    pub fn look(&mut self, check: impl FnOnce(&C, &C) -> Result<(), String>) -> Option<C> {
        let file = self.file()?;
        let found = match C::load(&file) {
            Ok(found) => found,
            Err(error) => {
                self.refuse(error.to_string().replace('\n', "; "));
                return None;
            }
        };
        let next = found.live(&self.in_force);
        self.found = found;
        if let Err(why) = check(&next, &self.in_force) {
            self.refuse(format!("{}: {why}", file.display()));
            return None;
        }
        let before = std::mem::replace(&mut self.in_force, next);
        self.accept(&changes(&before.settings(), &self.in_force.settings()));
        (before != self.in_force).then_some(before)
    }

    fn refuse(&self, problem: String) {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        // Every look finds the same broken file again; once is enough to say so.
        if status.problem.as_ref() != Some(&problem) {
            tracing::error!(
                target: "causeway::config", "keeping the configuration in force: {problem}"
            );
            status.refused += 1;
            status.problem = Some(problem);
        }
    }

    fn accept(&self, changed: &[Change]) {
        let waiting: Vec<String> = changes(&self.in_force.settings(), &self.found.settings())
            .iter()
            .map(|Change { key, from, to }| {
                let shown =
                    |value: &Option<String>| value.as_deref().unwrap_or("nothing").to_owned();
                format!("{key} (in force {}, in the file {})", shown(from), shown(to))
            })
            .collect();
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        if status.problem.take().is_some() && changed.is_empty() {
            tracing::info!(target: "causeway::config", "the configuration file is in order again");
        }
        for change in changed {
            tracing::info!(target: "causeway::config", "configuration changed: {change}");
        }
        for line in waiting.iter().filter(|line| !status.needs_restart.contains(line)) {
            tracing::warn!(target: "causeway::config", "needs a restart: {line}");
        }
        status.reloads += u64::from(!changed.is_empty());
        status.needs_restart = waiting;
    }
}

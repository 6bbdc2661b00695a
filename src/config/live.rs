//! The configuration in force, and its file, which may say something else by now.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Change, ConfigError, ConnectorConfig, ProxyConfig, Setting, changes};
use crate::limits;

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

/// What one look at the file came to, for the records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// The keys that changed, with both values, secrets masked; or what stays in force.
    pub detail: String,
    /// Why it is not in force.
    pub refused: Option<String>,
}

/// The configuration in force.
pub struct LiveConfig<C> {
    in_force: C,
    /// What the file says, where it can be read.
    found: C,
    status: Arc<Mutex<ConfigStatus>>,
    news: Vec<News>,
}

impl<C: Reloadable> LiveConfig<C> {
    /// In force from the start.
    pub fn new(config: &C) -> Self {
        let (in_force, found) = (config.clone(), config.clone());
        Self { in_force, found, status: Arc::default(), news: Vec::new() }
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

    /// What the looks since the last call came to; nothing where they found nothing new.
    pub fn take_news(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    fn refuse(&mut self, problem: String) {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        // Every look finds the same broken file again; once is enough to say so.
        if status.problem.as_ref() != Some(&problem) {
            tracing::error!(
                target: "causeway::config", "keeping the configuration in force: {problem}"
            );
            status.refused += 1;
            let detail = "what is in force stays".to_owned();
            self.news.push(News { detail, refused: Some(problem.clone()) });
            status.problem = Some(problem);
        }
    }

    fn accept(&mut self, changed: &[Change]) {
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
        if let Some(detail) = listed(changed) {
            self.news.push(News { detail, refused: None });
        }
        let new: Vec<_> =
            waiting.iter().filter(|line| !status.needs_restart.contains(line)).collect();
        for line in &new {
            tracing::warn!(target: "causeway::config", "needs a restart: {line}");
        }
        if let Some(detail) = listed(&new) {
            self.news.push(News { detail, refused: Some("needs a restart".to_owned()) });
        }
        status.reloads += u64::from(!changed.is_empty());
        status.needs_restart = waiting;
    }
}

/// A list in one line; what is too much for one record is counted.
fn listed(items: &[impl Display]) -> Option<String> {
    let named: Vec<String> =
        items.iter().take(limits::AUDIT_NAMES_MAX).map(ToString::to_string).collect();
    let more = items.len() - named.len();
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    (!named.is_empty()).then(|| named.join(", ") + &more)
}

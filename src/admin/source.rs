//! What the admin server asks a role. The role knows its workers; the server knows only this.

use std::time::Duration;

use serde_json::Value;
use tokio::sync::oneshot;

use super::Operations;
use crate::telemetry::{CountersSnapshot, Figures};

/// What a role tells about itself. Calls come from several threads at a time.
pub trait Source: Send + Sync + 'static {
    /// Whether new work may be sent here. Never waits: probes have short deadlines.
    fn ready(&self) -> Readiness;
    /// Asks for a fresh look at what [`Source::ready`] tells; the receiver hears when it is over,
    /// within [`crate::limits::PROBE_TIMEOUT`] or two. Nothing where there is none to be had.
    fn look(&self) -> Option<oneshot::Receiver<()>> {
        None
    }
    /// Lets `look` see, once, what all workers recorded until now, or until `age_max` ago, and in
    /// words what is missing. May wait up to [`crate::limits::WORKER_ANSWER_TIMEOUT`] for the
    /// workers.
    fn figures(&self, age_max: Duration, look: &mut dyn FnMut(&mut Figures, &[String]));
    /// All workers' counters since the start.
    fn counters(&self) -> CountersSnapshot;
    /// Whatever else is worth knowing, for people. May wait like [`Source::figures`].
    fn details(&self) -> Value;
    /// What operators ask and tell it, where that can be done.
    fn operations(&self) -> Option<&dyn Operations> {
        None
    }
}

/// Ready, or the reasons why not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// Each in words; none means ready.
    pub reasons: Vec<String>,
    /// What is wrong and no reason against it.
    pub notes: Vec<String>,
}

impl Readiness {
    /// Ready.
    pub fn ready() -> Self {
        Self::default()
    }

    /// Not ready, for one reason.
    pub fn not_ready(reason: impl Into<String>) -> Self {
        Self { reasons: vec![reason.into()], notes: Vec::new() }
    }

    /// Whether there is no reason against it.
    pub fn is_ready(&self) -> bool {
        self.reasons.is_empty()
    }
}

//! The log level: told, changed, and after a while changed back.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tokio::task::AbortHandle;

use super::{Operations, Unanswered, api::Wanted, routes::Shared};
use crate::limits::LOG_LEVEL_TIME_MAX;

/// Whether the level in force is only for a while.
#[derive(Clone, Default)]
pub(super) struct Levels(Arc<Mutex<Return>>);

#[derive(Default)]
struct Return {
    /// The level to go back to, and when.
    due: Option<(String, Instant)>,
    /// Who waits for that moment.
    waiting: Option<AbortHandle>,
}

impl Levels {
    /// Puts a level in force; for a while, if that is wanted.
    pub(super) fn set(&self, role: &dyn Operations, wanted: &Wanted) -> Result<Value, Unanswered> {
        let time = wanted.for_seconds.map(Duration::from_secs);
        if time.is_some_and(|time| time.is_zero() || time > LOG_LEVEL_TIME_MAX) {
            let most = LOG_LEVEL_TIME_MAX.as_secs();
            return Err(Unanswered::Bad(format!("for_seconds: write a number from 1 to {most}")));
        }
        {
            let mut back = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let before = role.log_level();
            role.set_log_level(&wanted.level).map_err(Unanswered::Bad)?;
            // Of several in a row, the level before the first is the one to go back to.
            let lasting = back.due.take().map_or(before, |(lasting, _)| lasting);
            back.due = time.map(|time| (lasting, Instant::now() + time));
        }
        Ok(self.show(role))
    }

    /// The level in force, and until when.
    pub(super) fn show(&self, role: &dyn Operations) -> Value {
        let back = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let temporary = back.due.as_ref().map(|(then, at)| {
            let left = at.saturating_duration_since(Instant::now());
            json!({ "then": then, "seconds_left": left.as_secs_f64().ceil() })
        });
        json!({ "level": role.log_level(), "temporary": temporary })
    }

    /// Waits in the background for the moment to go back, if there is one.
    pub(super) fn go_back_in_time(&self, source: Shared) {
        let mut back = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = back.waiting.take() {
            waiting.abort();
        }
        let Some((_, at)) = back.due else { return };
        let levels = self.clone();
        let waiting = tokio::spawn(async move {
            tokio::time::sleep_until(at.into()).await;
            levels.go_back(&source, at);
        });
        back.waiting = Some(waiting.abort_handle());
    }

    fn go_back(&self, source: &Shared, due_at: Instant) {
        let mut back = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Set anew at this very moment: another waits for that.
        let Some((level, _)) = back.due.take_if(|(_, at)| *at == due_at) else { return };
        match source.operations().map(|role| role.set_log_level(&level)) {
            Some(Err(error)) => {
                tracing::error!(target: "causeway::admin", error, "the log level stays");
            }
            _ => tracing::warn!(target: "causeway::admin", level, "the log level is back"),
        }
    }
}

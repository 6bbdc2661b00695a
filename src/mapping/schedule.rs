//! Steady rates, kept by all workers together.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::limits;

/// When the next unit is due at a steady rate (the generic cell rate algorithm): one number for
/// all workers, so a rate holds whichever of them the work comes by.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// Nanoseconds since `origin`.
    due_ns: AtomicU64,
    /// The first moment anybody asked.
    origin: OnceLock<Instant>,
}

const SECOND_NS: u64 = 1_000_000_000;

impl Schedule {
    fn since_origin(&self, now: Instant) -> u64 {
        let origin = *self.origin.get_or_init(|| now);
        // From a second on, so that at the origin a whole burst has gathered.
        let since = now.saturating_duration_since(origin) + Duration::from_secs(1);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    /// Takes one of `per_second`, of which as many may come at once.
    pub(super) fn take_one(&self, per_second: u64, now: Instant) -> bool {
        let Some(step) = SECOND_NS.checked_div(per_second) else { return true };
        let now = self.since_origin(now);
        let next = |due: u64| {
            let due = due.max(now.saturating_sub(SECOND_NS));
            (due + step <= now).then_some(due + step)
        };
        self.due_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }

    pub(super) fn has_one(&self, per_second: u64, now: Instant) -> bool {
        let Some(step) = SECOND_NS.checked_div(per_second) else { return true };
        let now = self.since_origin(now);
        self.due_ns.load(Ordering::Relaxed).max(now.saturating_sub(SECOND_NS)) + step <= now
    }

    /// Spends `units`, whether they are due or not; says how long it takes until they are.
    pub(super) fn spend(&self, units: u64, per_second: u64, now: Instant) -> Duration {
        let now = self.since_origin(now);
        let burst = u64::try_from(limits::PACE_BURST.as_nanos()).unwrap_or(SECOND_NS);
        let cost = u128::from(units) * u128::from(SECOND_NS) / u128::from(per_second.max(1));
        let cost = u64::try_from(cost).unwrap_or(u64::MAX);
        let next = |due: u64| Some(due.max(now.saturating_sub(burst)).saturating_add(cost));
        let before = self.due_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        let due = before.ok().and_then(next).unwrap_or_default();
        Duration::from_nanos(due.saturating_sub(now))
    }
}

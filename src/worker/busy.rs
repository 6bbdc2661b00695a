//! How busy a worker's thread is, told by its own clock.

use std::time::{Duration, Instant};

use crate::{
    engine::thread_time,
    telemetry::{Counters, Gauge},
};

/// The share of time is that of so long: shorter, and it would follow every burst; longer, and
/// nobody could see one.
const SHARE_OF: Duration = Duration::from_secs(5);

/// Publishes processor time, and the share of the last seconds.
pub(super) struct BusyClock {
    since: Instant,
    busy_then: Duration,
}

impl BusyClock {
    /// Of this thread, from now on.
    pub(super) fn new(now: Instant) -> Self {
        Self { since: now, busy_then: thread_time() }
    }

    /// Time passed.
    pub(super) fn tick(&mut self, counters: &Counters, now: Instant) {
        let busy = thread_time();
        counters.set(Gauge::BusyNanos, busy.as_nanos() as u64);
        let passed = now.saturating_duration_since(self.since);
        if passed >= SHARE_OF {
            let share = (busy - self.busy_then).as_secs_f64() / passed.as_secs_f64();
            counters.set(Gauge::BusyMillionths, (share * 1e6) as u64);
            *self = Self { since: now, busy_then: busy };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_works_is_busy_and_its_share_is_known_after_a_while() {
        let (counters, start) = (Counters::new(), Instant::now());
        let mut clock = BusyClock::new(start);
        let worked = thread_time() + Duration::from_millis(20);
        while thread_time() < worked {
            std::hint::spin_loop();
        }
        clock.tick(&counters, start);
        assert!(counters.gauge(Gauge::BusyNanos) >= 20_000_000);
        assert_eq!(counters.gauge(Gauge::BusyMillionths), 0, "too early to tell");
        clock.tick(&counters, start + SHARE_OF);
        let share = counters.gauge(Gauge::BusyMillionths);
        assert!((4_000..1_000_000).contains(&share), "20 ms of 5 s are 4000 millionths: {share}");
    }
}

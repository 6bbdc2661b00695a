//! Pauses after failures, and rates.

use std::time::{Duration, Instant};

use crate::limits::{self, Rate};

/// The pauses of one series of failed requests.
#[derive(Debug, Default)]
pub(super) struct Pace {
    failures: u32,
}

impl Pace {
    /// How long to wait now: between half and all of a bound that doubles, so that replicas do
    /// not come in step, and no less than the API asked for.
    pub(super) fn failed(&mut self, asked: Option<Duration>) -> Duration {
        let bound = limits::KUBERNETES_BACKOFF_MIN
            .saturating_mul(1 << self.failures.min(16))
            .min(limits::KUBERNETES_BACKOFF_MAX);
        self.failures += 1;
        let asked = asked.unwrap_or_default().min(limits::KUBERNETES_RETRY_AFTER_MAX);
        bound.mul_f64(0.5 + fastrand::f64() / 2.0).max(asked)
    }

    /// The series is over.
    pub(super) fn succeeded(&mut self) {
        self.failures = 0;
    }

    pub(super) fn failures(&self) -> u32 {
        self.failures
    }
}

/// A rate with a burst, as a bucket that refills.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: Rate,
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    pub(super) fn new(rate: Rate, now: Instant) -> Self {
        Self { rate, tokens: f64::from(rate.burst), filled: now }
    }

    /// Takes one, or says how long until there is one.
    pub(super) fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let per_second = f64::from(self.rate.per_second);
        let gained = now.saturating_duration_since(self.filled).as_secs_f64() * per_second;
        self.tokens = (self.tokens + gained).min(f64::from(self.rate.burst));
        self.filled = now;
        if self.tokens < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - self.tokens) / per_second));
        }
        self.tokens -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_bound_and_respect_what_the_api_asks() {
        let mut pace = Pace::default();
        let pauses: Vec<Duration> = (0..20).map(|_| pace.failed(None)).collect();
        assert!(pauses[0] <= limits::KUBERNETES_BACKOFF_MIN);
        assert!(pauses.iter().all(|pause| *pause <= limits::KUBERNETES_BACKOFF_MAX));
        assert!(pauses[19] >= limits::KUBERNETES_BACKOFF_MAX / 2);
        assert_eq!(pace.failed(Some(Duration::from_secs(7))), Duration::from_secs(7));
        assert_eq!(pace.failed(Some(Duration::MAX)), limits::KUBERNETES_RETRY_AFTER_MAX);
        pace.succeeded();
        assert!(pace.failed(None) <= limits::KUBERNETES_BACKOFF_MIN);
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(Rate { burst: 2, per_second: 10 }, start);
        assert!(bucket.take(start).is_ok() && bucket.take(start).is_ok());
        let wait = bucket.take(start).unwrap_err();
        assert!((99..=101).contains(&wait.as_millis()), "{wait:?}");
        assert!(bucket.take(start + Duration::from_millis(101)).is_ok());
        assert!(bucket.take(start + Duration::from_millis(102)).is_err());
    }
}

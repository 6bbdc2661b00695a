//! Reconnect back-off with full jitter, so that a thousand connectors that lost the same proxy do
//! not return in step.

use std::time::Duration;

use crate::limits;

/// The delays of one series of failures.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The delay before the next attempt: uniform between zero and an upper bound that doubles
    /// from [`limits::BACKOFF_MIN`] to [`limits::BACKOFF_MAX`]. `random` is any uniform number.
    pub fn failed(&mut self, random: u64) -> Duration {
        let bound = limits::BACKOFF_MIN
            .saturating_mul(1_u32.checked_shl(self.failures.min(16)).unwrap_or(u32::MAX))
            .min(limits::BACKOFF_MAX);
        self.failures = self.failures.saturating_add(1);
        let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(random % nanos.max(1))
    }

    /// A tunnel is up and answered: the series is over. A TCP connection alone is not enough.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_double_from_half_a_second_to_thirty() {
        let mut backoff = Backoff::default();
        let bounds: Vec<u128> = (0..9).map(|_| backoff.failed(u64::MAX).as_millis()).collect();
        let just_below = |seconds: f64| (seconds * 1000.0) as u128;
        for (bound, most) in bounds.iter().zip([0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]) {
            assert!(*bound <= just_below(most), "{bounds:?}");
        }
        backoff.succeeded();
        assert!(backoff.failed(499_999_999) < Duration::from_millis(500));
    }

    #[test]
    fn jitter_spreads_over_the_whole_range() {
        let delays: Vec<Duration> = (0..1000_u64)
            .map(|i| {
                let mut backoff = Backoff::default();
                (0..8).fold(Duration::ZERO, |_, _| {
                    backoff.failed(i.wrapping_mul(0x9E37_79B9_7F4A_7C15))
                })
            })
            .collect();
        let buckets = delays.iter().fold([0_u32; 30], |mut buckets, delay| {
            buckets[(delay.as_secs() as usize).min(29)] += 1;
            buckets
        });
        assert!(buckets.iter().all(|count| *count < 100), "{buckets:?}");
        assert!(buckets.iter().filter(|count| **count > 0).count() > 25, "{buckets:?}");
    }
}

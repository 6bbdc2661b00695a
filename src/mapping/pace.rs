//! How many bytes a second somebody may move: one number for all workers, asked once a chunk.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::schedule::Schedule;

/// The pace of a subaccount or a channel, both directions of all its streams together.
#[derive(Debug, Default)]
pub struct Pace {
    /// 0 is any number.
    per_second: AtomicU64,
    bytes: Schedule,
}

// Relaxed: the number orders nothing else.
impl Pace {
    /// From now on so many bytes a second, also of streams that are open; 0 is any number.
    pub fn set(&self, per_second: u64) {
        self.per_second.store(per_second, Ordering::Relaxed);
    }

    /// Bytes that may be moved in a second, where that is bounded.
    #[must_use]
    pub fn per_second(&self) -> Option<u64> {
        Some(self.per_second.load(Ordering::Relaxed)).filter(|per_second| *per_second > 0)
    }

    /// Notes that so many bytes have moved; says how long whoever moved them must wait before it
    /// moves more, which is nothing where they are not paced.
    #[must_use]
    pub fn moved(&self, bytes: usize, now: Instant) -> Duration {
        match self.per_second() {
            None => Duration::ZERO,
            Some(per_second) => self.bytes.spend(bytes as u64, per_second, now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_beyond_the_burst_are_to_be_waited_for_and_none_is_forgotten() {
        let (pace, start) = (Pace::default(), Instant::now());
        pace.set(1000);
        assert_eq!(pace.moved(250, start), Duration::ZERO, "the burst");
        assert_eq!(pace.moved(500, start), Duration::from_millis(500));
        let later = start + Duration::from_millis(200);
        assert_eq!(pace.moved(100, later), Duration::from_millis(400));
        let much_later = start + Duration::from_secs(60);
        assert_eq!(pace.moved(1250, much_later), Duration::from_secs(1), "one burst again");
        pace.set(0);
        assert_eq!(pace.moved(usize::MAX, much_later), Duration::ZERO);
    }
}

//! How the last tunnels opened, whichever worker they came to: few enough for one word that all
//! of them write.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// So many openings are remembered.
const REMEMBERED: u32 = 15;
/// So many failures in a row are too many.
const FAILED_IN_A_ROW: u32 = 5;
/// So many failures of those remembered are too many: 60 %.
const FAILED_OF_REMEMBERED: u32 = 9;

/// The outcomes of the last openings.
#[derive(Debug, Default)]
pub struct Openings {
    /// A bit for each, the last one lowest; set where it failed.
    failed: AtomicU32,
}

impl Openings {
    /// Notes one outcome.
    pub fn note(&self, succeeded: bool) {
        let mask = (1 << REMEMBERED) - 1;
        let next = |failed: u32| Some((failed << 1 | u32::from(!succeeded)) & mask);
        // Never refused: the closure always has a next value.
        let _ = self.failed.fetch_update(Relaxed, Relaxed, next);
    }

    /// Whether tunnels open: not when the last 5 failed, or 9 of the last 15. What has not
    /// happened yet did not fail.
    pub fn are_healthy(&self) -> bool {
        let failed = self.failed.load(Relaxed);
        failed.trailing_ones() < FAILED_IN_A_ROW && failed.count_ones() < FAILED_OF_REMEMBERED
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(outcomes: &str) -> bool {
        let openings = Openings::default();
        outcomes.chars().for_each(|outcome| openings.note(outcome == '+'));
        openings.are_healthy()
    }

    #[test]
    fn five_failures_in_a_row_or_nine_of_fifteen_are_too_many() {
        for (outcomes, healthy) in [
            ("", true),
            ("----", true),
            ("-----", false),
            ("-----+", true),
            ("+----+----+----", false),
            ("+----+---+-+", true),
            ("---+---+---+", false),
            ("---+---+---++++++", true),
        ] {
            assert_eq!(after(outcomes), healthy, "{outcomes:?}");
        }
    }
}

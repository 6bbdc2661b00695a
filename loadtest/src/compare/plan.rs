//! What a comparison does, in which order, and how long that takes.

use crate::scenario::Scenario;

/// A quick comparison ends within this time: three minutes, less what it cannot foresee.
const QUICK_SECONDS: f64 = 165.0;
/// Starting and ending a contestant and opening streams, on the machine this was measured on.
const AROUND_SECONDS: f64 = 0.7;
/// Shorter ones measure the clock ticks of /proc.
const MEASURED_SECONDS_MIN: f64 = 0.5;
/// Long enough for windows and buffers to have grown over loopback.
const QUICK_WARMUP_SECONDS: f64 = 0.3;
/// Fewer show no spread.
pub(super) const QUICK_ROUNDS: usize = 2;
/// A median of fewer is luck on a shared machine.
pub(super) const ROUNDS: usize = 5;

/// One measurement: a round of a scenario with a contestant, by their positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) scenario: usize,
    pub(super) round: usize,
    pub(super) contestant: usize,
}

/// Scenario by scenario, round by round, everybody in each: A B C, then B C A. What one leaves
/// behind in the kernel (connections in TIME_WAIT above all) then meets each of the others in turn.
pub(super) fn turns(scenarios: usize, rounds: usize, contestants: usize) -> Vec<Turn> {
    let mut all = Vec::with_capacity(scenarios * rounds * contestants);
    for scenario in 0..scenarios {
        for round in 0..rounds {
            all.extend((0..contestants).map(|position| {
                let contestant = (position + round) % contestants;
                Turn { scenario, round, contestant }
            }));
        }
    }
    all
}

/// Shortens scenarios so that all turns fit into a quick comparison.
pub(super) fn quicken(scenarios: &mut [Scenario], rounds: usize, contestants: usize) {
    let turns = (scenarios.len() * rounds * contestants).max(1) as f64;
    let measured = QUICK_SECONDS / turns - AROUND_SECONDS - QUICK_WARMUP_SECONDS;
    for scenario in scenarios {
        scenario.seconds = scenario.seconds.min(measured.max(MEASURED_SECONDS_MIN));
        scenario.warmup_seconds = scenario.warmup_seconds.min(QUICK_WARMUP_SECONDS);
    }
}

/// How long all turns take, about.
pub(super) fn seconds(scenarios: &[Scenario], rounds: usize, contestants: usize) -> f64 {
    let once: f64 = scenarios
        .iter()
        .map(|scenario| scenario.seconds + scenario.warmup_seconds + AROUND_SECONDS)
        .sum();
    once * (rounds * contestants) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::BUILT_IN;

    #[test]
    fn contestants_take_turns_within_each_round() {
        let order: Vec<(usize, usize, usize)> = turns(2, 2, 2)
            .into_iter()
            .map(|turn| (turn.scenario, turn.round, turn.contestant))
            .collect();
        let expected = [
            (0, 0, 0),
            (0, 0, 1),
            (0, 1, 1),
            (0, 1, 0),
            (1, 0, 0),
            (1, 0, 1),
            (1, 1, 1),
            (1, 1, 0),
        ];
        assert_eq!(order, expected);
    }

    #[test]
    fn a_quick_comparison_of_everybody_fits_three_minutes() {
        let mut scenarios: Vec<Scenario> = BUILT_IN
            .iter()
            .map(|(_, text)| Scenario::parse(text).unwrap())
            .filter(|scenario| scenario.quick)
            .collect();
        quicken(&mut scenarios, QUICK_ROUNDS, 9);
        assert!(seconds(&scenarios, QUICK_ROUNDS, 9) <= 180.0);
        assert!(scenarios.iter().all(|scenario| scenario.seconds >= MEASURED_SECONDS_MIN));
    }
}

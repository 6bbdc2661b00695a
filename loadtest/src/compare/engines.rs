//! io_uring against epoll: who does more for a CPU-second, and who answers sooner.

use serde::Serialize;

use super::{cell::Sample, entry::Entry, result::Compared, spread::Spread};
use crate::contestants::Setup;

/// Both engines in one mode and one scenario.
#[derive(Debug, Serialize)]
pub(crate) struct EngineRatio {
    pub(crate) scenario: String,
    pub(crate) setup: Setup,
    pub(crate) mode: &'static str,
    /// Work per CPU-second on io_uring over that on epoll.
    pub(crate) work: Option<Spread>,
    /// The 99th percentile of latency on io_uring over that on epoll; smaller is better.
    pub(crate) p99: Option<Spread>,
    /// Whose work per CPU-second was more in every round.
    pub(crate) wins: &'static str,
}

impl EngineRatio {
    /// Of every scenario in which both engines took part.
    pub(super) fn of(scenarios: &[Compared]) -> Vec<Self> {
        let in_mode = |compared: &Compared, mode: &'static str| {
            let find = |engine| {
                let same = |one: &&Entry| one.engine == Some(engine) && one.mode == Some(mode);
                compared.entries.iter().find(same)
            };
            Some(Self::between(compared, mode, find("io_uring")?, find("epoll")?))
        };
        let both = |compared| ["direct", "multiplexed"].map(|mode| in_mode(compared, mode));
        scenarios.iter().flat_map(both).flatten().collect()
    }

    fn between(compared: &Compared, mode: &'static str, ring: &Entry, epoll: &Entry) -> Self {
        let counts_bytes = compared.scenario.counts_bytes();
        let ratio = |value: &dyn Fn(&Sample) -> Option<f64>| {
            Spread::of_ratios(&ring.each_round(value), &epoll.each_round(value))
        };
        let work = ratio(&|sample| sample.work_per_cpu_second(counts_bytes));
        Self {
            scenario: compared.scenario.name.clone(),
            setup: compared.setup,
            mode,
            work,
            p99: ratio(&|sample| Some(sample.latency?.p99_ms)),
            wins: winner(work),
        }
    }
}

/// A ratio whose spread reaches over 1 is no result.
fn winner(ratio: Option<Spread>) -> &'static str {
    match ratio {
        Some(ratio) if ratio.min > 1.0 => "io_uring",
        Some(ratio) if ratio.max < 1.0 => "epoll",
        Some(_) => "neither",
        None => "no result",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{compare::cell::tests::sample, contestants::lineup, scenario::Scenario};

    fn compared(ring_cpu_seconds: &[f64]) -> Compared {
        let everybody = lineup(std::path::Path::new("/nowhere/causeway")).unwrap();
        let mut entries: Vec<Entry> = everybody.iter().map(Entry::new).collect();
        for entry in &mut entries {
            let of = |cpu: &f64| match entry.engine {
                Some("io_uring") => Some(Sample { cpu_seconds: *cpu, ..sample(1.0) }),
                _ => Some(Sample { cpu_seconds: 1.0, ..sample(2.0) }),
            };
            entry.samples = ring_cpu_seconds.iter().map(of).collect();
        }
        let scenario = Scenario::find("ping-pong-1k").unwrap();
        Compared::new(scenario, Setup::Chain, "ping-pong-1k".into(), entries, None)
    }

    #[test]
    fn an_engine_wins_that_did_more_in_every_round() {
        for (ring_cpu_seconds, wins) in
            [([0.5, 0.8], "io_uring"), ([1.25, 2.0], "epoll"), ([0.8, 1.25], "neither")]
        {
            let ratios = EngineRatio::of(&[compared(&ring_cpu_seconds)]);
            let modes: Vec<&str> = ratios.iter().map(|ratio| ratio.mode).collect();
            assert_eq!(modes, ["direct", "multiplexed"]);
            for ratio in ratios {
                assert_eq!(ratio.wins, wins);
                assert_eq!(ratio.work, Spread::of(ring_cpu_seconds.map(|cpu| 1.0 / cpu)));
                assert_eq!(ratio.p99, Spread::of([0.5, 0.5]));
            }
        }
    }

    #[test]
    fn one_engine_alone_has_no_ratio() {
        let mut compared = compared(&[1.0]);
        compared.entries.retain(|entry| entry.engine != Some("io_uring"));
        assert!(EngineRatio::of(&[compared]).is_empty());
        assert_eq!(winner(None), "no result");
    }
}

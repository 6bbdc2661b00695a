//! How much more CPU an operation costs the more streams are open.

use serde::Serialize;

use super::{cell::Sample, result::Compared, spread::Spread};
use crate::contestants::Setup;

/// One contestant over all numbers of open streams of a scenario.
#[derive(Debug, Serialize)]
pub(crate) struct Growth {
    pub(crate) scenario: String,
    pub(crate) setup: Setup,
    pub(crate) contestant: String,
    pub(crate) points: Vec<Point>,
}

/// One number of open streams.
#[derive(Debug, Serialize)]
pub(crate) struct Point {
    pub(crate) streams: usize,
    /// CPU time of the contestant for an operation, microseconds.
    pub(crate) cpu_us: Option<Spread>,
    /// Over that with the smallest number of streams in the same round, less one: 0.1 is 10 % more.
    pub(crate) growth: Option<Spread>,
}

impl Growth {
    /// Of every scenario that has several numbers of open streams.
    pub(super) fn of(scenarios: &[Compared]) -> Vec<Self> {
        let mut all = Vec::new();
        for first in scenarios.iter().filter(|one| is_first(one)) {
            let family: Vec<&Compared> = scenarios
                .iter()
                .filter(|other| other.family == first.family && other.setup == first.setup)
                .collect();
            let one = |entry: &super::Entry| {
                (!entry.is_nobody).then(|| Self::of_one(&entry.contestant, first, &family))
            };
            all.extend(first.entries.iter().filter_map(one));
        }
        all
    }

    fn of_one(contestant: &str, first: &Compared, family: &[&Compared]) -> Self {
        let costs = |compared: &Compared| {
            let entry = compared.entries.iter().find(|entry| entry.contestant == contestant);
            entry.map(|entry| entry.each_round(cpu_us)).unwrap_or_default()
        };
        let few = costs(first);
        let point = |compared: &&Compared| Point {
            streams: streams(compared),
            cpu_us: Spread::of_some(&costs(compared)),
            growth: Spread::of_some(&grown(&costs(compared), &few)),
        };
        Self {
            scenario: first.family.clone(),
            setup: first.setup,
            contestant: contestant.to_owned(),
            points: family.iter().map(point).collect(),
        }
    }
}

fn streams(compared: &Compared) -> usize {
    compared.scenario.load.iter().map(|load| load.streams).sum()
}

/// Whether it has the smallest number of streams of its family.
fn is_first(compared: &Compared) -> bool {
    compared.scenario.open_streams.iter().min() == Some(&streams(compared))
}

fn cpu_us(sample: &Sample) -> Option<f64> {
    (sample.operations > 0).then(|| sample.cpu_seconds * 1e6 / sample.operations as f64)
}

/// How much more than `few`, round by round.
fn grown(many: &[Option<f64>], few: &[Option<f64>]) -> Vec<Option<f64>> {
    many.iter().zip(few).map(|(many, few)| Some((*many)? / (*few)? - 1.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        compare::{Entry, cell::tests::sample},
        contestants::lineup,
        scenario::Scenario,
    };

    /// The scenario with each number of open streams, one contestant with these CPU times.
    fn compared(cpu_seconds: [[f64; 2]; 4]) -> Vec<Compared> {
        let variants = Scenario::find("open-streams").unwrap().variants();
        let contestant = &lineup(std::path::Path::new("/nowhere/causeway")).unwrap()[0];
        let one = |(variant, cpu_seconds): (Scenario, [f64; 2])| {
            let mut entry = Entry::new(contestant);
            let sample = |cpu_seconds| Some(Sample { cpu_seconds, ..sample(1.0) });
            entry.samples = cpu_seconds.map(sample).to_vec();
            Compared::new(variant, Setup::Proxy, "open-streams".into(), vec![entry], None)
        };
        variants.into_iter().zip(cpu_seconds).map(one).collect()
    }

    #[test]
    fn cpu_for_an_operation_is_compared_with_the_fewest_streams_of_its_round() {
        let cpu_seconds = [[0.1, 0.2], [0.1, 0.2], [0.11, 0.2], [0.12, 0.22]];
        let growth = Growth::of(&compared(cpu_seconds));
        let [Growth { points, .. }] = &growth[..] else { panic!("one contestant, one scenario") };
        let streams: Vec<usize> = points.iter().map(|point| point.streams).collect();
        assert_eq!(streams, [10, 100, 1000, 9900]);
        let growth = |point: usize| points[point].growth.unwrap();
        assert!(growth(0).max.abs() < 1e-9);
        assert!((growth(3).min - 0.1).abs() < 1e-9 && (growth(3).max - 0.2).abs() < 1e-9);
        // 0.1 s for the thousand operations of a sample.
        assert!((points[0].cpu_us.unwrap().min - 100.0).abs() < 1e-6);
    }

    #[test]
    fn a_round_that_failed_has_no_growth() {
        let mut compared = compared([[0.1, 0.2]; 4]);
        compared[3].entries[0].samples[0] = None;
        let growth = Growth::of(&compared);
        assert_eq!(growth[0].points[3].growth, Spread::of([0.0]));
        compared[0].entries[0].samples = vec![None, None];
        assert_eq!(Growth::of(&compared)[0].points[3].growth, None);
    }
}

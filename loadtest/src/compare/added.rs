//! Latency that a contestant adds, at half of what saturates.

use serde::Serialize;

use super::{cell::Sample, entry::Entry, spread::Spread};

/// Everybody at the same rate, and how much later than without anybody the echoes came.
#[derive(Debug, Serialize)]
pub(crate) struct AddedLatency {
    /// Operations a second that everybody was offered.
    pub(crate) rate_per_second: f64,
    pub(crate) entries: Vec<Added>,
}

/// What one contestant adds. Each difference and each ratio is formed within a round.
#[derive(Debug, Serialize)]
pub(crate) struct Added {
    pub(crate) contestant: String,
    /// Operations a second of its closed loop.
    pub(crate) saturation: Option<Spread>,
    /// How much of what was offered it did; below one it could not keep up.
    pub(crate) kept_up: Option<Spread>,
    pub(crate) p50_ms: Option<Spread>,
    pub(crate) p99_ms: Option<Spread>,
    /// Over what HAProxy adds; less than nothing counts as nothing. Rounds in which HAProxy added
    /// nothing have no ratio.
    pub(crate) p50_over_haproxy: Option<Spread>,
    pub(crate) p99_over_haproxy: Option<Spread>,
}

/// Half of what the slowest of HAProxy and Causeway's did in a closed loop; without any of them, of
/// the slowest there is. Slower others get it as well, and show that they cannot keep up.
pub(super) fn half_saturation(entries: &[Entry]) -> Option<f64> {
    let slowest = |counts: &dyn Fn(&&Entry) -> bool| {
        let medians = entries.iter().filter(counts).filter_map(saturation);
        medians.map(|spread| spread.median).min_by(f64::total_cmp)
    };
    let lowest = slowest(&|entry| entry.ours || entry.is_haproxy)
        .or_else(|| slowest(&|entry| !entry.is_nobody))?;
    (lowest > 0.0).then_some(lowest / 2.0)
}

fn saturation(entry: &Entry) -> Option<Spread> {
    Spread::of(entry.calibrations.iter().copied())
}

impl AddedLatency {
    pub(super) fn new(rate: f64, entries: &[Entry]) -> Self {
        let p50 = |sample: &Sample| Some(sample.latency?.p50_ms);
        let p99 = |sample: &Sample| Some(sample.latency?.p99_ms);
        let alone = entries.iter().find(|entry| entry.is_nobody);
        let haproxy = entries.iter().find(|entry| entry.is_haproxy);
        let added = |entry: &Entry, percentile: &dyn Fn(&Sample) -> Option<f64>| {
            let alone = alone.map(|alone| alone.each_round(percentile)).unwrap_or_default();
            differences(&entry.each_round(percentile), &alone)
        };
        let over = |entry: &Entry, percentile: &dyn Fn(&Sample) -> Option<f64>| {
            let haproxy = haproxy.filter(|haproxy| haproxy.contestant != entry.contestant)?;
            let theirs = added(haproxy, percentile);
            let theirs: Vec<_> =
                theirs.into_iter().map(|value| value.filter(|value| *value > 0.0)).collect();
            let ours = added(entry, percentile);
            let ours: Vec<_> =
                ours.into_iter().map(|value| value.map(|value| value.max(0.0))).collect();
            Spread::of_ratios(&ours, &theirs)
        };
        let one = |entry: &Entry| Added {
            contestant: entry.contestant.clone(),
            saturation: saturation(entry),
            kept_up: Spread::of_some(
                &entry.each_round(|sample| Some(sample.operations as f64 / sample.seconds / rate)),
            ),
            p50_ms: Spread::of_some(&added(entry, &p50)),
            p99_ms: Spread::of_some(&added(entry, &p99)),
            p50_over_haproxy: over(entry, &p50),
            p99_over_haproxy: over(entry, &p99),
        };
        let entries = entries.iter().filter(|entry| !entry.is_nobody).map(one).collect();
        Self { rate_per_second: rate, entries }
    }
}

/// The first less the second, round by round.
fn differences(with: &[Option<f64>], without: &[Option<f64>]) -> Vec<Option<f64>> {
    with.iter().zip(without).map(|(with, without)| Some((*with)? - (*without)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{compare::cell::tests::sample, contestants::lineup};

    /// Everybody under their names, HAProxy among them whether it is installed or not.
    fn entry(name: &str, calibrations: &[f64], p99_ms: &[f64]) -> Entry {
        let mut everybody = lineup(std::path::Path::new("/nowhere/causeway")).unwrap();
        everybody.push(crate::contestants::Contestant::nobody());
        let contestant = everybody.iter().find(|one| one.name == name).unwrap();
        let mut entry = Entry::new(contestant);
        entry.calibrations = calibrations.to_vec();
        entry.samples = p99_ms.iter().map(|p99_ms| Some(sample(*p99_ms))).collect();
        entry
    }

    #[test]
    fn the_rate_is_half_of_the_slowest_of_haproxy_and_ours() {
        let all = [
            entry("stunnel", &[10.0], &[]),
            entry("haproxy", &[90.0, 100.0, 500.0], &[]),
            entry("causeway epoll direct", &[120.0], &[]),
            entry("no proxy", &[1.0], &[]),
        ];
        assert_eq!(half_saturation(&all), Some(50.0));
        assert_eq!(half_saturation(&all[..1]), Some(5.0));
        assert_eq!(half_saturation(&all[3..]), None, "nobody saturates nothing");
        assert_eq!(half_saturation(&[]), None);
    }

    #[test]
    fn what_is_added_is_taken_round_by_round_and_compared_with_haproxy() {
        let all = [
            entry("causeway epoll direct", &[100.0], &[3.0, 4.0, 9.0, 1.0]),
            entry("haproxy", &[100.0], &[5.0, 8.0, 1.0, 4.0]),
            entry("no proxy", &[100.0], &[1.0, 2.0, 3.0, 2.0]),
        ];
        let added = AddedLatency::new(50.0, &all);
        assert_eq!(added.entries.len(), 2, "nobody adds nothing");
        let ours = &added.entries[0];
        assert_eq!(ours.p99_ms, Spread::of([2.0, 2.0, 6.0, -1.0]));
        // In the third round HAProxy was faster than nobody: no ratio. In the fourth we were.
        assert_eq!(ours.p99_over_haproxy, Spread::of([2.0 / 4.0, 2.0 / 6.0, 0.0]));
        assert_eq!(added.entries[1].p99_over_haproxy, None, "HAProxy is not compared with itself");
    }

    #[test]
    fn without_the_latency_of_nobody_nothing_is_added() {
        let all = [entry("causeway epoll direct", &[], &[3.0]), entry("haproxy", &[], &[5.0])];
        let added = AddedLatency::new(50.0, &all);
        assert!(added.entries.iter().all(|one| one.p99_ms.is_none()));
    }
}

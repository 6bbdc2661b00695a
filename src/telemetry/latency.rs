//! How long things take: plain histograms of one thread, with no lock and no atomic on the path of
//! a byte. A worker gives its samples away when asked and goes on with empty histograms.
//!
//! Memory: see `tally`; a metric never recorded costs nothing.

use std::{fmt, time::Duration};

use hdrhistogram::Histogram;
use serde::Serialize;

use super::{
    Metric,
    tally::{self, Bucket, Digest, Tally},
};

/// The histograms of one worker or service, or the sum of several.
#[derive(Clone, Default)]
pub struct Latency {
    /// By the position of the metric; made by the first sample.
    tallies: [Option<Box<Tally>>; Metric::ALL.len()],
}

impl Latency {
    /// Nothing recorded.
    pub fn new() -> Self {
        Self::default()
    }

    /// Records one sample; one above [`crate::limits::LATENCY_MAX`] counts as that.
    pub fn record(&mut self, metric: Metric, elapsed: Duration) {
        let elapsed_ns = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        self.tally(metric).record(elapsed_ns);
    }

    /// Gives everything recorded away and goes on empty: moves pointers, copies nothing.
    pub fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// Adds what another has recorded.
    pub fn merge(&mut self, other: &Self) {
        for metric in Metric::ALL {
            if let Some(theirs) = &other.tallies[metric as usize] {
                self.tally(metric).merge(theirs);
            }
        }
    }

    /// Whether nothing is recorded.
    pub fn is_empty(&self) -> bool {
        self.tallies.iter().all(Option::is_none)
    }

    /// Forgets what was recorded of one metric.
    pub fn forget(&mut self, metric: Metric) {
        self.tallies[metric as usize] = None;
    }

    /// The figures of one metric; all zero when nothing was recorded.
    pub fn summary(&self, metric: Metric) -> Summary {
        let Some(Digest { count, sum_ns, low_ns, high_ns, values }) =
            self.digest(metric, [0.5, 0.9, 0.99, 0.999])
        else {
            return Summary::default();
        };
        let [p50_ns, p90_ns, p99_ns, p999_ns] = values;
        Summary {
            count,
            min_ns: low_ns,
            mean_ns: (sum_ns as f64 / count as f64).round() as u64,
            p50_ns,
            p90_ns,
            p99_ns,
            p999_ns,
            max_ns: high_ns,
        }
    }

    /// The histogram of one metric, in nanoseconds; none when nothing was recorded.
    pub fn histogram(&self, metric: Metric) -> Option<Histogram<u64>> {
        self.tallies[metric as usize].as_ref().map(|tally| tally.histogram())
    }

    /// Some figures of one metric; none when nothing was recorded.
    pub(crate) fn digest<const N: usize>(
        &self,
        metric: Metric,
        quantiles: [f64; N],
    ) -> Option<Digest<N>> {
        self.tallies[metric as usize].as_ref().map(|tally| tally.digest(quantiles))
    }

    /// Every bucket of one metric that is not empty, in rising order.
    pub(crate) fn buckets(&self, metric: Metric) -> impl Iterator<Item = Bucket> {
        self.tallies[metric as usize].iter().flat_map(|tally| tally.buckets())
    }

    /// The histogram of one metric, in nanoseconds; an empty one when nothing was recorded.
    pub fn recorded(&self, metric: Metric) -> Histogram<u64> {
        self.histogram(metric).unwrap_or_else(tally::empty)
    }

    fn tally(&mut self, metric: Metric) -> &mut Tally {
        self.tallies[metric as usize].get_or_insert_with(|| Box::new(Tally::new()))
    }
}

impl fmt::Debug for Latency {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = Metric::ALL.map(|metric| (metric.name(), self.summary(metric).count));
        formatter.debug_map().entries(counts).finish()
    }
}

/// The figures of one metric.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Samples.
    pub count: u64,
    /// Smallest sample, in nanoseconds.
    pub min_ns: u64,
    /// Mean, in nanoseconds.
    pub mean_ns: u64,
    /// Median, in nanoseconds.
    pub p50_ns: u64,
    /// 90th percentile, in nanoseconds.
    pub p90_ns: u64,
    /// 99th percentile, in nanoseconds.
    pub p99_ns: u64,
    /// 99.9th percentile, in nanoseconds.
    pub p999_ns: u64,
    /// Largest sample, in nanoseconds.
    pub max_ns: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::LATENCY_MAX;

    #[test]
    fn percentiles_are_true_to_three_digits() {
        let mut latency = Latency::new();
        for micros in 1..=1000 {
            latency.record(Metric::Connect, Duration::from_micros(micros));
        }
        let summary = latency.summary(Metric::Connect);
        assert_eq!(summary.count, 1000);
        for (found, wanted) in [
            (summary.min_ns, 1_000),
            (summary.p50_ns, 500_000),
            (summary.p90_ns, 900_000),
            (summary.p99_ns, 990_000),
            (summary.p999_ns, 999_000),
            (summary.max_ns, 1_000_000),
            (summary.mean_ns, 500_500),
        ] {
            assert!(found.abs_diff(wanted) * 1000 <= wanted, "{found} is not {wanted}");
        }
        assert_eq!(latency.summary(Metric::Dial), Summary::default());
    }

    #[test]
    fn taking_leaves_nothing_and_merging_loses_nothing() {
        let mut worker = Latency::new();
        let mut sum = Latency::new();
        for round in 1..=3 {
            worker.record(Metric::Dial, Duration::from_millis(round));
            sum.merge(&worker.take());
            assert_eq!(worker.summary(Metric::Dial).count, 0);
            assert_eq!(sum.summary(Metric::Dial).count, round);
        }
        assert_eq!(sum.summary(Metric::Dial).p50_ns / 10_000, 200);
    }

    #[test]
    fn a_sample_beyond_the_range_counts_as_the_largest() {
        let mut latency = Latency::new();
        latency.record(Metric::StreamLifetime, Duration::MAX);
        latency.record(Metric::StreamLifetime, Duration::ZERO);
        let summary = latency.summary(Metric::StreamLifetime);
        let hour = LATENCY_MAX.as_nanos() as u64;
        assert_eq!((summary.count, summary.min_ns), (2, 0));
        assert!(summary.max_ns.abs_diff(hour) * 1000 <= hour);
    }
}

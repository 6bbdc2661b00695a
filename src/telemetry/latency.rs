//! How long things take: one worker's plain histograms, with no lock and no atomic on the path of
//! a byte. A worker gives its histograms away when asked and goes on with empty ones.
//!
//! Memory: 3 digits over 1 ns to 1 h are 33 × 1024 counts of 8 bytes, 264 KiB a metric and
//! 1.8 MiB for all seven, per worker and once more for the sum of all. Half of that, with 4-byte
//! counts, would saturate: one value seen a million times a second fills 4 bytes in 72 minutes,
//! and nobody has to read the histograms that often. A metric never recorded costs nothing.

use std::{fmt, time::Duration};

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::limits::{LATENCY_DIGITS, LATENCY_MAX};

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// From accept, or dial, to a finished TLS handshake.
    TlsHandshake,
    /// From a complete CONNECT, on a connector from the client's accept, to the 200.
    Connect,
    /// From the first connect(2) to a service to an open connection.
    Dial,
    /// From the 200 to the first byte of the service.
    FirstByte,
    /// Client to service, one chunk: from its receipt to its last byte sent.
    ForwardUp,
    /// Service to client, one chunk: from its receipt to its last byte sent.
    ForwardDown,
    /// From the 200 to the end of both directions.
    StreamLifetime,
}

impl Metric {
    /// Every metric, in the order they are shown.
    pub const ALL: [Self; 7] = [
        Self::TlsHandshake,
        Self::Connect,
        Self::Dial,
        Self::FirstByte,
        Self::ForwardUp,
        Self::ForwardDown,
        Self::StreamLifetime,
    ];

    /// Name in URLs, JSON and metric names.
    pub fn name(self) -> &'static str {
        match self {
            Self::TlsHandshake => "tls_handshake",
            Self::Connect => "connect",
            Self::Dial => "dial",
            Self::FirstByte => "first_byte",
            Self::ForwardUp => "forward_up",
            Self::ForwardDown => "forward_down",
            Self::StreamLifetime => "stream_lifetime",
        }
    }

    /// The metric of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }

    /// One sentence on what is timed.
    pub fn help(self) -> &'static str {
        match self {
            Self::TlsHandshake => "TLS handshakes, from the connection to the last flight",
            Self::Connect => "from the request (on a connector: the client's accept) to the 200",
            Self::Dial => "dials of services that succeeded",
            Self::FirstByte => "from the 200 to the first byte of the service",
            Self::ForwardUp => "chunks from client to service, from receipt to the last byte sent",
            Self::ForwardDown => {
                "chunks from service to client, from receipt to the last byte sent"
            }
            Self::StreamLifetime => "streams, from the 200 to the end of both directions",
        }
    }
}

/// The histograms of one worker, or the sum of several workers'.
#[derive(Clone, Default)]
pub struct Latency {
    /// Nanoseconds, by the position of the metric; made by the first sample.
    histograms: [Option<Histogram<u64>>; Metric::ALL.len()],
}

impl Latency {
    /// Nothing recorded.
    pub fn new() -> Self {
        Self::default()
    }

    /// Records one sample; one above [`LATENCY_MAX`] counts as that.
    pub fn record(&mut self, metric: Metric, elapsed: Duration) {
        let elapsed_ns = elapsed.min(LATENCY_MAX).as_nanos() as u64;
        let slot = &mut self.histograms[metric as usize];
        slot.get_or_insert_with(empty).saturating_record(elapsed_ns);
    }

    /// Gives everything recorded away and goes on empty: moves pointers, copies nothing.
    pub fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// Adds what another has recorded.
    pub fn merge(&mut self, other: &Self) {
        for (ours, theirs) in self.histograms.iter_mut().zip(&other.histograms) {
            if let Some(theirs) = theirs {
                ours.get_or_insert_with(empty)
                    .add(theirs)
                    .expect("all histograms have the same bounds");
            }
        }
    }

    /// The figures of one metric; all zero when nothing was recorded.
    pub fn summary(&self, metric: Metric) -> Summary {
        let Some(histogram) = self.histogram(metric) else { return Summary::default() };
        let quantile = |quantile| histogram.value_at_quantile(quantile).min(histogram.max());
        Summary {
            count: histogram.len(),
            min_ns: histogram.min(),
            mean_ns: histogram.mean().round() as u64,
            p50_ns: quantile(0.5),
            p90_ns: quantile(0.9),
            p99_ns: quantile(0.99),
            p999_ns: quantile(0.999),
            max_ns: histogram.max(),
        }
    }

    pub(crate) fn histogram(&self, metric: Metric) -> Option<&Histogram<u64>> {
        self.histograms[metric as usize].as_ref()
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

pub(crate) fn empty() -> Histogram<u64> {
    Histogram::new_with_max(LATENCY_MAX.as_nanos() as u64, LATENCY_DIGITS)
        .expect("1 h in nanoseconds with 3 digits is a valid range")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_found_at_its_own_position_and_by_its_own_name() {
        for (index, metric) in Metric::ALL.into_iter().enumerate() {
            assert_eq!(metric as usize, index);
            assert_eq!(Metric::from_name(metric.name()), Some(metric));
        }
        assert_eq!(Metric::from_name("forward"), None);
    }

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

    #[test]
    fn one_metric_takes_the_memory_the_comment_says() {
        // Counts are 8 bytes; the histogram itself tells how many buckets of 1024 it keeps.
        let counts = (usize::from(empty().buckets()) + 1) * 1024;
        assert_eq!(counts * 8, 264 * 1024);
    }
}

//! What a load counts while it runs, and what a measurement says afterwards.

use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

use hdrhistogram::Histogram;
use serde::Serialize;

/// Longer than any operation that a load waits for.
const LATENCY_NS_MAX: u64 = 3_600_000_000_000;
/// Digits of a latency that are kept: 0.1 %.
const LATENCY_DIGITS: u8 = 3;

/// An empty histogram of nanoseconds.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_NS_MAX, LATENCY_DIGITS)
        .expect("the bounds are constants that hdrhistogram accepts")
}

/// Counts of one load. One thread has them, so there is no lock.
pub(crate) struct Meter {
    bytes_up: Cell<u64>,
    bytes_down: Cell<u64>,
    operations: Cell<u64>,
    errors: Cell<u64>,
    first_error: RefCell<Option<String>>,
    latency: RefCell<Histogram<u64>>,
}

/// Counts at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) bytes_up: u64,
    pub(crate) bytes_down: u64,
    pub(crate) operations: u64,
    pub(crate) errors: u64,
}

impl Meter {
    pub(crate) fn new() -> Self {
        Self {
            bytes_up: Cell::new(0),
            bytes_down: Cell::new(0),
            operations: Cell::new(0),
            errors: Cell::new(0),
            first_error: RefCell::new(None),
            latency: RefCell::new(histogram()),
        }
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.bytes_up.set(self.bytes_up.get() + bytes as u64);
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.bytes_down.set(self.bytes_down.get() + bytes as u64);
    }

    /// One operation has ended, `latency` after it began or was due.
    pub(crate) fn done(&self, latency: Duration) {
        self.operations.set(self.operations.get() + 1);
        let nanoseconds = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.latency.borrow_mut().saturating_record(nanoseconds);
    }

    pub(crate) fn failed(&self, why: String) {
        self.errors.set(self.errors.get() + 1);
        self.first_error.borrow_mut().get_or_insert(why);
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            bytes_up: self.bytes_up.get(),
            bytes_down: self.bytes_down.get(),
            operations: self.operations.get(),
            errors: self.errors.get(),
        }
    }

    pub(crate) fn first_error(&self) -> Option<String> {
        self.first_error.borrow().clone()
    }

    /// The latencies since the last call.
    pub(crate) fn take_latency(&self) -> Histogram<u64> {
        self.latency.replace(histogram())
    }
}

impl Counts {
    /// All of several loads.
    pub(crate) fn sum<'m>(meters: impl IntoIterator<Item = &'m Meter>) -> Self {
        meters.into_iter().map(Meter::counts).fold(Self::default(), |sum, one| Self {
            bytes_up: sum.bytes_up + one.bytes_up,
            bytes_down: sum.bytes_down + one.bytes_down,
            operations: sum.operations + one.operations,
            errors: sum.errors + one.errors,
        })
    }

    /// What came between an earlier moment and this one.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            bytes_up: self.bytes_up - earlier.bytes_up,
            bytes_down: self.bytes_down - earlier.bytes_down,
            operations: self.operations - earlier.operations,
            errors: self.errors - earlier.errors,
        }
    }
}

/// A piece of a measurement.
#[derive(Debug, Clone)]
pub(crate) struct Interval {
    /// From the beginning of the measurement.
    pub(crate) start: Duration,
    pub(crate) length: Duration,
    pub(crate) bytes_up: u64,
    pub(crate) bytes_down: u64,
    pub(crate) operations: u64,
    pub(crate) latency: Histogram<u64>,
}

/// What one scenario did to one target.
#[derive(Debug, Clone)]
pub(crate) struct Measurement {
    pub(crate) seconds: f64,
    pub(crate) bytes_up: u64,
    pub(crate) bytes_down: u64,
    pub(crate) operations: u64,
    pub(crate) errors: u64,
    pub(crate) first_error: Option<String>,
    pub(crate) intervals: Vec<Interval>,
}

/// A latency distribution in a few numbers, milliseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) count: u64,
    pub(crate) mean_ms: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p90_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    pub(crate) max_ms: f64,
}

impl Measurement {
    /// All latencies of the measurement.
    pub(crate) fn latency(&self) -> Histogram<u64> {
        merged(self.intervals.iter().map(|interval| &interval.latency))
    }
}

/// The sum of histograms, as if one had recorded everything.
pub(crate) fn merged<'h>(parts: impl IntoIterator<Item = &'h Histogram<u64>>) -> Histogram<u64> {
    let mut sum = histogram();
    for part in parts {
        sum.add(part).expect("all histograms of the harness have the same bounds");
    }
    sum
}

impl Percentiles {
    /// None of an empty histogram: zero would look like a result.
    pub(crate) fn of(histogram: &Histogram<u64>) -> Option<Self> {
        let at = |quantile| histogram.value_at_quantile(quantile) as f64 / 1e6;
        (!histogram.is_empty()).then(|| Self {
            count: histogram.len(),
            mean_ms: histogram.mean() / 1e6,
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: at(1.0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_histograms_are_one_that_recorded_everything() {
        let (mut low, mut high, mut all) = (histogram(), histogram(), histogram());
        for value in 1..=1000_u64 {
            low.record(value * 1_000).unwrap();
            high.record(value * 1_000_000).unwrap();
            all.record(value * 1_000).unwrap();
            all.record(value * 1_000_000).unwrap();
        }
        assert_eq!(merged([&low, &high]), all);
        assert!(merged([]).is_empty());
    }

    #[test]
    fn percentiles_are_milliseconds_and_absent_without_a_sample() {
        let mut histogram = histogram();
        assert!(Percentiles::of(&histogram).is_none());
        for millisecond in 1..=1000_u64 {
            histogram.record(millisecond * 1_000_000).unwrap();
        }
        let percentiles = Percentiles::of(&histogram).unwrap();
        for (told, expected) in [
            (percentiles.p50_ms, 500.0),
            (percentiles.p99_ms, 990.0),
            (percentiles.p999_ms, 999.0),
            (percentiles.max_ms, 1000.0),
        ] {
            assert!((told / expected - 1.0).abs() < 0.001, "{told} is not {expected}");
        }
    }

    #[test]
    fn a_meter_hands_out_each_latency_once() {
        let meter = Meter::new();
        meter.done(Duration::from_micros(5));
        assert_eq!(meter.take_latency().len(), 1);
        assert_eq!(meter.take_latency().len(), 0);
        meter.failed("first".to_owned());
        meter.failed("second".to_owned());
        assert_eq!(meter.first_error().as_deref(), Some("first"));
        assert_eq!(Counts::sum([&meter, &meter]).errors, 4);
    }
}

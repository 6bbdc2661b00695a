//! How often each value came: the buckets of an HdrHistogram with 3 digits up to 1 h, in rows that
//! the first value they hold makes.
//!
//! An HdrHistogram of that range has 33 rows of 1024 counts, one for each power of two: 264 KiB,
//! most of which no sample ever touches, since the times of one thing lie within a few powers of
//! two. There is one for every latency of every service here, so a row costs memory only once it
//! is used: 4 KiB, and 16 to 32 KiB for what the chunks of a service usually take. The buckets are
//! the same, so turning one into the other loses nothing.

use hdrhistogram::Histogram;

use crate::limits::{LATENCY_DIGITS, LATENCY_MAX};

/// Buckets of a power of two: more than 10^[`LATENCY_DIGITS`].
pub(super) const COLUMNS: usize = 1024;
/// Rows up to [`LATENCY_MAX`].
pub(super) const ROWS: usize = 33;

type Row = [u32; COLUMNS];

/// Counts of values in nanoseconds.
#[derive(Clone)]
pub(crate) struct Tally {
    rows: [Option<Box<Row>>; ROWS],
    /// Values with a count that a place in a row has no room for.
    spilled: Vec<(u64, u64)>,
}

/// Values that are not told apart, and how often they came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    /// The smallest of them.
    pub(crate) low: u64,
    /// The largest of them.
    pub(crate) high: u64,
    pub(crate) count: u64,
}

impl Bucket {
    /// What each of them counts as in a sum.
    pub(crate) fn middle(&self) -> u64 {
        self.low + (self.high - self.low).div_ceil(2)
    }
}

/// Figures of a tally.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Digest<const N: usize> {
    pub(crate) count: u64,
    /// Whole nanoseconds, so that a sum never falls while the count rises.
    pub(crate) sum_ns: u128,
    pub(crate) low_ns: u64,
    pub(crate) high_ns: u64,
    /// The value at each quantile that was asked for.
    pub(crate) values: [u64; N],
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self { rows: [const { None }; ROWS], spilled: Vec::new() }
    }

    /// Counts a value once; one above [`LATENCY_MAX`] as that.
    pub(crate) fn record(&mut self, value_ns: u64) {
        self.add(value_ns.min(LATENCY_MAX.as_nanos() as u64), 1);
    }

    /// Counts everything another has counted.
    pub(crate) fn merge(&mut self, other: &Self) {
        for (row, counts) in other.rows.iter().enumerate() {
            for (column, count) in counts.iter().flat_map(|counts| counts.iter().enumerate()) {
                if *count > 0 {
                    self.add(value_of(row, column), u64::from(*count));
                }
            }
        }
        for (value, count) in &other.spilled {
            // Its row is what `buckets` walks.
            self.add(*value, 0);
            self.spilled.push((*value, *count));
        }
    }

    /// Every bucket that has counted something, in rising order.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = Bucket> {
        let rows = self.rows.iter().enumerate();
        let rows = rows.filter_map(|(row, counts)| Some((row, counts.as_ref()?)));
        rows.flat_map(move |(row, counts)| {
            counts.iter().enumerate().filter_map(move |(column, count)| {
                let low = value_of(row, column);
                let spilled = self.spilled.iter().filter(|(value, _)| *value == low);
                let count = spilled.fold(u64::from(*count), |sum, (_, more)| sum + more);
                let width = 1 << row.saturating_sub(1);
                (count > 0).then_some(Bucket { low, high: low + width - 1, count })
            })
        })
    }

    /// The figures of what was counted, in two walks: asked for every service at every scrape,
    /// which a histogram of 264 KiB each would make dear.
    pub(crate) fn digest<const N: usize>(&self, quantiles: [f64; N]) -> Digest<N> {
        let mut digest = Digest { count: 0, sum_ns: 0, low_ns: 0, high_ns: 0, values: [0; N] };
        for bucket in self.buckets() {
            if digest.count == 0 {
                digest.low_ns = bucket.low;
            }
            digest.high_ns = bucket.high;
            digest.count += bucket.count;
            digest.sum_ns += u128::from(bucket.middle()) * u128::from(bucket.count);
        }
        let ranks =
            quantiles.map(|quantile| (quantile * digest.count as f64).ceil().max(1.0) as u64);
        let mut reached = 0;
        for bucket in self.buckets() {
            let before = reached;
            reached += bucket.count;
            for (value, rank) in digest.values.iter_mut().zip(ranks) {
                if (before + 1..=reached).contains(&rank) {
                    *value = bucket.high;
                }
            }
        }
        digest
    }

    /// The histogram that recorded the same values.
    pub(crate) fn histogram(&self) -> Histogram<u64> {
        let mut histogram = empty();
        for (row, counts) in self.rows.iter().enumerate() {
            for (column, count) in counts.iter().flat_map(|counts| counts.iter().enumerate()) {
                if *count > 0 {
                    histogram.saturating_record_n(value_of(row, column), u64::from(*count));
                }
            }
        }
        for (value, count) in &self.spilled {
            histogram.saturating_record_n(*value, *count);
        }
        histogram
    }

    fn add(&mut self, value_ns: u64, count: u64) {
        let (row, column) = place_of(value_ns);
        let counts = self.rows[row].get_or_insert_with(|| Box::new([0; COLUMNS]));
        match u32::try_from(u64::from(counts[column]) + count) {
            Ok(sum) => counts[column] = sum,
            // Once in four billion values.
            Err(_) => {
                let kept = u64::from(std::mem::take(&mut counts[column]));
                self.spilled.push((value_of(row, column), kept + count));
            }
        }
    }

    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.rows.iter().flatten().count() * size_of::<Row>()
    }
}

/// The histogram that has recorded nothing.
pub(crate) fn empty() -> Histogram<u64> {
    Histogram::new_with_max(LATENCY_MAX.as_nanos() as u64, LATENCY_DIGITS)
        .expect("1 h in nanoseconds with 3 digits is a valid range")
}

/// Row 0 has the values below [`COLUMNS`] one by one, each further row the next power of two.
fn place_of(value_ns: u64) -> (usize, usize) {
    let row =
        (COLUMNS as u64 - 1).leading_zeros() - (value_ns | (COLUMNS as u64 - 1)).leading_zeros();
    let column = (value_ns >> row.saturating_sub(1)) as usize % COLUMNS;
    (row as usize, column)
}

/// The smallest value of a bucket.
fn value_of(row: usize, column: usize) -> u64 {
    match row {
        0 => column as u64,
        _ => ((COLUMNS + column) as u64) << (row - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values over the whole range, and both sides of every power of two.
    fn values() -> Vec<u64> {
        let mut random = fastrand::Rng::with_seed(17);
        let edges = (0..42).flat_map(|power| {
            let edge = 1_u64 << power;
            [edge - 1, edge, edge + 1]
        });
        let spread = (0..10_000).map(|_| random.u64(..=LATENCY_MAX.as_nanos() as u64 >> 1));
        let small = (0..10_000).map(|nth| nth * 37);
        edges.chain(spread).chain(small).chain([LATENCY_MAX.as_nanos() as u64]).collect()
    }

    #[test]
    fn its_buckets_are_those_of_a_histogram() {
        let (mut tally, mut histogram) = (Tally::new(), empty());
        for value in values() {
            tally.record(value);
            histogram.record(value).unwrap();
            let (row, column) = place_of(value);
            assert_eq!(value_of(row, column), histogram.lowest_equivalent(value), "{value}");
        }
        assert_eq!(tally.histogram(), histogram);
    }

    #[test]
    fn its_figures_are_those_of_a_histogram() {
        const QUANTILES: [f64; 6] = [0.0001, 0.25, 0.5, 0.9, 0.999, 1.0];
        let mut tally = Tally::new();
        for nothing in tally.digest(QUANTILES).values {
            assert_eq!(nothing, 0);
        }
        values().into_iter().filter(|value| *value > 0).for_each(|value| tally.record(value));
        let (digest, histogram) = (tally.digest(QUANTILES), tally.histogram());
        assert_eq!(digest.count, histogram.len());
        assert_eq!((digest.low_ns, digest.high_ns), (histogram.min(), histogram.max()));
        assert_eq!(digest.values, QUANTILES.map(|quantile| histogram.value_at_quantile(quantile)));
        let mean = digest.sum_ns as f64 / digest.count as f64;
        assert!((mean / histogram.mean() - 1.0).abs() < 1e-9, "{mean} {}", histogram.mean());
    }

    #[test]
    fn merging_is_recording_everything() {
        let (mut one, mut other, mut all) = (Tally::new(), Tally::new(), Tally::new());
        for (nth, value) in values().into_iter().enumerate() {
            if nth % 3 == 0 {
                one.record(value)
            } else {
                other.record(value)
            }
            all.record(value);
        }
        one.merge(&other);
        assert_eq!(one.histogram(), all.histogram());
    }

    #[test]
    fn a_count_beyond_its_place_is_kept_in_full() {
        let mut tally = Tally::new();
        tally.add(5_000, u64::from(u32::MAX));
        tally.record(5_000);
        tally.record(5_000);
        let mut twice = tally.clone();
        twice.merge(&tally);
        for (tally, times) in [(tally, 1), (twice, 2)] {
            let histogram = tally.histogram();
            let count = times * (u64::from(u32::MAX) + 2);
            assert_eq!((histogram.len(), histogram.count_at(5_000)), (count, count));
            assert_eq!(tally.digest([0.5]).count, count);
        }
    }

    #[test]
    fn memory_follows_the_powers_of_two_that_were_seen() {
        let mut tally = Tally::new();
        assert_eq!(tally.bytes(), 0);
        for micros in 100..1600 {
            tally.record(micros * 1000);
        }
        assert_eq!(tally.bytes(), 5 * 4096);
        // What the whole range would take at once.
        assert_eq!(ROWS * size_of::<Row>(), 132 * 1024);
        assert_eq!(place_of(LATENCY_MAX.as_nanos() as u64).0, ROWS - 1);
    }
}

//! The percentile distribution text of HdrHistogram, which its plotters read.

use std::fmt::Write;

use super::{
    Latency, Metric,
    tally::{Bucket, COLUMNS, ROWS},
};

/// Lines per halving of the distance to 100 %, as in the other HdrHistogram implementations.
const TICKS_PER_HALF_DISTANCE: f64 = 5.0;
/// Values are printed in microseconds: milliseconds would cut a loopback chunk to two digits.
const UNIT_NS: f64 = 1000.0;

impl Latency {
    /// Appends the distribution of one metric, in microseconds: the file that plotters call
    /// `.hgrm`.
    pub fn distribution(&self, metric: Metric, out: &mut String) {
        let buckets: Vec<Bucket> = self.buckets(metric).collect();
        write_distribution(&buckets, out).expect("writing to a String does not fail");
    }

    /// Appends the distribution of one metric, in microseconds, with a line on what it is.
    pub fn percentile_text(&self, metric: Metric, out: &mut String) {
        let (name, help) = (metric.name(), metric.help());
        out.push_str(&format!("# {name}: {help}; values in microseconds\n"));
        self.distribution(metric, out);
    }

    /// The lines of the distribution of one metric.
    pub(super) fn steps(&self, metric: Metric) -> Vec<Step> {
        steps(&self.buckets(metric).collect::<Vec<_>>())
    }
}

/// A line of a distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Step {
    /// So much at most,
    pub(super) value_ns: u64,
    /// that share of all, from 0 to 1,
    pub(super) quantile: f64,
    /// and so many.
    pub(super) total: u64,
}

/// The lines that HdrHistogram's own iterator yields, which walks every bucket of the range, empty
/// ones too, and was a quarter of the time that a scrape took.
fn steps(buckets: &[Bucket]) -> Vec<Step> {
    let count: u64 = buckets.iter().map(|bucket| bucket.count).sum();
    let (mut steps, mut quantile, mut total) = (Vec::new(), 0.0, 0);
    for bucket in buckets {
        total += bucket.count;
        while total as f64 / count as f64 >= quantile {
            steps.push(Step { value_ns: bucket.high, quantile, total });
            if quantile >= 1.0 {
                break;
            }
            // The last bucket has one line of its own and that of the whole.
            quantile = if total == count { 1.0 } else { after(quantile) };
        }
    }
    steps
}

/// The next quantile: the ticks are half as far apart each time that half of what was left to 1 has
/// been gone.
fn after(quantile: f64) -> f64 {
    let halvings = (1.0 / (1.0 - quantile)).log2().floor();
    let next = quantile + 1.0 / (TICKS_PER_HALF_DISTANCE * (halvings + 1.0).exp2());
    // Too small a step is no step any more.
    if next > quantile { next } else { 1.0 }
}

fn write_distribution(buckets: &[Bucket], out: &mut String) -> std::fmt::Result {
    let columns = ("Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    writeln!(out, "{:>12} {:>14} {:>10} {:>14}\n", columns.0, columns.1, columns.2, columns.3)?;
    for Step { value_ns, quantile, total } in steps(buckets) {
        let value = value_ns as f64 / UNIT_NS;
        write!(out, "{value:12.3} {quantile:14.12} {total:10}")?;
        if quantile < 1.0 {
            write!(out, " {:14.2}", 1.0 / (1.0 - quantile))?;
        }
        out.push('\n');
    }
    let (mean, deviation) = mean_and_deviation(buckets);
    let (mean, deviation) = (mean / UNIT_NS, deviation / UNIT_NS);
    let max = buckets.last().map_or(0, |bucket| bucket.high) as f64 / UNIT_NS;
    let count: u64 = buckets.iter().map(|bucket| bucket.count).sum();
    // Theirs are the powers of two, of which the first has twice as many places.
    let (theirs, sub_buckets) = (ROWS - 1, 2 * COLUMNS);
    writeln!(out, "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]")?;
    writeln!(out, "#[Max     = {max:12.3}, Total count    = {count:12}]")?;
    writeln!(out, "#[Buckets = {theirs:12}, SubBuckets     = {sub_buckets:12}]")
}

fn mean_and_deviation(buckets: &[Bucket]) -> (f64, f64) {
    let count: u64 = buckets.iter().map(|bucket| bucket.count).sum();
    if count == 0 {
        return (0.0, 0.0);
    }
    let sum = |of: &dyn Fn(f64) -> f64| -> f64 {
        buckets.iter().map(|bucket| of(bucket.middle() as f64) * bucket.count as f64).sum()
    };
    let mean = sum(&|value| value) / count as f64;
    let variance = sum(&|value| (value - mean).powi(2)) / count as f64;
    (mean, variance.sqrt())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn rows(text: &str) -> Vec<Vec<f64>> {
        let rows = text.lines().filter(|line| !line.starts_with('#') && !line.contains("Value"));
        rows.filter(|line| !line.is_empty())
            .map(|line| line.split_whitespace().map(|word| word.parse().unwrap()).collect())
            .collect()
    }

    #[test]
    fn every_row_rises_to_the_whole_count() {
        let mut latency = Latency::new();
        for micros in 1..=10_000 {
            latency.record(Metric::ForwardUp, Duration::from_micros(micros));
        }
        let mut text = String::new();
        latency.percentile_text(Metric::ForwardUp, &mut text);
        assert!(text.starts_with("# forward_up: "), "{text}");
        let rows = rows(&text);
        assert!(rows.len() > 30, "{text}");
        assert!(rows.windows(2).all(|pair| pair[0][0] <= pair[1][0] && pair[0][2] <= pair[1][2]));
        let last = rows.last().unwrap();
        assert_eq!((last[1], last[2], last.len()), (1.0, 10_000.0, 3));
        assert!((last[0] - 10_000.0).abs() <= 10.0, "{text}");
        assert!(text.contains("Total count    =        10000]\n"), "{text}");
        assert!(text.ends_with("#[Buckets =           32, SubBuckets     =         2048]\n"));
    }

    #[test]
    fn its_lines_are_those_of_a_histogram() {
        let mut random = fastrand::Rng::with_seed(23);
        for round in 0..300 {
            let mut latency = Latency::new();
            for _ in 0..random.usize(1..=1 << (round % 12)) {
                let power = random.u32(0..41);
                let nanos = random.u64(..=1 << power);
                latency.record(Metric::Dial, Duration::from_nanos(nanos));
            }
            let histogram = latency.recorded(Metric::Dial);
            let mut total = 0;
            let expected: Vec<Step> = histogram
                .iter_quantiles(TICKS_PER_HALF_DISTANCE as u32)
                .map(|step| {
                    total += step.count_since_last_iteration();
                    let (value_ns, quantile) =
                        (step.value_iterated_to(), step.quantile_iterated_to());
                    Step { value_ns, quantile, total }
                })
                .collect();
            assert_eq!(latency.steps(Metric::Dial), expected, "round {round}");
            let buckets: Vec<Bucket> = latency.buckets(Metric::Dial).collect();
            let (mean, deviation) = mean_and_deviation(&buckets);
            assert!((mean - histogram.mean()).abs() <= 1e-9 * mean, "round {round}");
            assert!((deviation - histogram.stdev()).abs() <= 1e-9 * mean, "round {round}");
        }
    }

    #[test]
    fn an_empty_histogram_still_has_its_header_and_footer() {
        let mut text = String::new();
        Latency::new().percentile_text(Metric::Dial, &mut text);
        assert!(text.contains("Value     Percentile TotalCount 1/(1-Percentile)\n\n"), "{text}");
        assert!(text.contains("#[Max     =        0.000, Total count    =            0]\n"));
    }
}

//! The percentile distribution text of HdrHistogram, which its plotters read.

use std::fmt::Write;

use hdrhistogram::Histogram;

use crate::{
    limits::LATENCY_DIGITS,
    telemetry::{Latency, Metric},
};

/// Lines per halving of the distance to 100 %, as in the other HdrHistogram implementations.
pub(super) const TICKS_PER_HALF_DISTANCE: u32 = 5;
/// Values are printed in microseconds: milliseconds would cut a loopback chunk to two digits.
const UNIT_NS: f64 = 1000.0;

/// Appends the distribution of a histogram of nanoseconds, in microseconds: the file that plotters
/// call `.hgrm`.
pub fn distribution(histogram: &Histogram<u64>, out: &mut String) {
    write_distribution(histogram, out).expect("writing to a String does not fail");
}

impl Latency {
    /// Appends the distribution of one metric, in microseconds, with a line on what it is.
    pub fn percentile_text(&self, metric: Metric, out: &mut String) {
        let (name, help) = (metric.name(), metric.help());
        out.push_str(&format!("# {name}: {help}; values in microseconds\n"));
        distribution(&self.recorded(metric), out);
    }
}

fn write_distribution(histogram: &Histogram<u64>, out: &mut String) -> std::fmt::Result {
    let columns = ("Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    writeln!(out, "{:>12} {:>14} {:>10} {:>14}\n", columns.0, columns.1, columns.2, columns.3)?;
    let mut total = 0;
    for step in histogram.iter_quantiles(TICKS_PER_HALF_DISTANCE) {
        total += step.count_since_last_iteration();
        let value = step.value_iterated_to() as f64 / UNIT_NS;
        let quantile = step.quantile_iterated_to();
        write!(out, "{value:12.3} {quantile:14.12} {total:10}")?;
        if quantile < 1.0 {
            write!(out, " {:14.2}", 1.0 / (1.0 - quantile))?;
        }
        out.push('\n');
    }
    let (mean, deviation) = (histogram.mean() / UNIT_NS, histogram.stdev() / UNIT_NS);
    let (max, count) = (histogram.max() as f64 / UNIT_NS, histogram.len());
    let sub_buckets = 2 * 10_u64.pow(LATENCY_DIGITS.into()).next_power_of_two();
    writeln!(out, "#[Mean    = {mean:12.3}, StdDeviation   = {deviation:12.3}]")?;
    writeln!(out, "#[Max     = {max:12.3}, Total count    = {count:12}]")?;
    writeln!(out, "#[Buckets = {:12}, SubBuckets     = {sub_buckets:12}]", histogram.buckets())
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
    fn an_empty_histogram_still_has_its_header_and_footer() {
        let mut text = String::new();
        Latency::new().percentile_text(Metric::Dial, &mut text);
        assert!(text.contains("Value     Percentile TotalCount 1/(1-Percentile)\n\n"), "{text}");
        assert!(text.contains("#[Max     =        0.000, Total count    =            0]\n"));
    }
}

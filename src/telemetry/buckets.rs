//! Latencies as Prometheus histograms, so that dashboards can take rates and add up proxies.

use std::fmt::Write;

use crate::telemetry::{Latency, Metric};

/// Upper bounds in nanoseconds with their label in seconds: 1, 2.5 and 5 of every decade from a
/// chunk on loopback to a stream of an hour.
const BOUNDS: [(u64, &str); 26] = [
    (10_000, "0.00001"),
    (25_000, "0.000025"),
    (50_000, "0.00005"),
    (100_000, "0.0001"),
    (250_000, "0.00025"),
    (500_000, "0.0005"),
    (1_000_000, "0.001"),
    (2_500_000, "0.0025"),
    (5_000_000, "0.005"),
    (10_000_000, "0.01"),
    (25_000_000, "0.025"),
    (50_000_000, "0.05"),
    (100_000_000, "0.1"),
    (250_000_000, "0.25"),
    (500_000_000, "0.5"),
    (1_000_000_000, "1"),
    (2_500_000_000, "2.5"),
    (5_000_000_000, "5"),
    (10_000_000_000, "10"),
    (25_000_000_000, "25"),
    (50_000_000_000, "50"),
    (100_000_000_000, "100"),
    (250_000_000_000, "250"),
    (500_000_000_000, "500"),
    (1_000_000_000_000, "1000"),
    (2_500_000_000_000, "2500"),
];

impl Latency {
    /// Appends every metric as `causeway_<name>_duration_seconds`.
    pub fn prometheus(&self, out: &mut String) {
        for metric in Metric::ALL {
            self.write_buckets(metric, out).expect("writing to a String does not fail");
        }
    }

    fn write_buckets(&self, metric: Metric, out: &mut String) -> std::fmt::Result {
        let name = format!("causeway_{}_duration_seconds", metric.name());
        writeln!(out, "# HELP {name} Duration of {}.", metric.help())?;
        writeln!(out, "# TYPE {name} histogram")?;
        let (mut reached, mut sum_ns, mut bounds) = (0, 0_u128, BOUNDS.iter().peekable());
        // The recorded values come in rising order: one walk fills all buckets.
        for bucket in self.buckets(metric) {
            // A value is known to 3 digits; the low end keeps one that is exactly a bound.
            while let Some((_, label)) = bounds.next_if(|(bound_ns, _)| *bound_ns < bucket.low) {
                writeln!(out, "{name}_bucket{{le=\"{label}\"}} {reached}")?;
            }
            reached += bucket.count;
            sum_ns += u128::from(bucket.middle()) * u128::from(bucket.count);
        }
        for (_, label) in bounds {
            writeln!(out, "{name}_bucket{{le=\"{label}\"}} {reached}")?;
        }
        writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {reached}")?;
        writeln!(out, "{name}_sum {}", sum_ns as f64 / 1e9)?;
        writeln!(out, "{name}_count {reached}")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_bound_is_the_same_number_as_its_label() {
        for (bound_ns, label) in BOUNDS {
            let seconds: f64 = label.parse().unwrap();
            assert_eq!((seconds * 1e9).round() as u64, bound_ns, "{label}");
        }
        assert!(BOUNDS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn buckets_are_cumulative() {
        let mut latency = Latency::new();
        for micros in [1, 20, 20, 3_000, 3_600_000_000] {
            latency.record(Metric::Dial, Duration::from_micros(micros));
        }
        let mut text = String::new();
        latency.prometheus(&mut text);
        for line in [
            "causeway_dial_duration_seconds_bucket{le=\"0.00001\"} 1",
            "causeway_dial_duration_seconds_bucket{le=\"0.000025\"} 3",
            "causeway_dial_duration_seconds_bucket{le=\"0.0025\"} 3",
            "causeway_dial_duration_seconds_bucket{le=\"0.005\"} 4",
            "causeway_dial_duration_seconds_bucket{le=\"2500\"} 4",
            "causeway_dial_duration_seconds_bucket{le=\"+Inf\"} 5",
            "causeway_dial_duration_seconds_count 5",
            "causeway_connect_duration_seconds_bucket{le=\"10\"} 0",
            "causeway_connect_duration_seconds_count 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}

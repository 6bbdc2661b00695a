//! Histograms in the formats of the HdrHistogram family, which its tools in every language read.

use std::time::{Duration, SystemTime};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hdrhistogram::{
    Histogram,
    serialization::{
        Serializer as _, V2DeflateSerializer,
        interval_log::{IntervalLogWriterBuilder, Tag},
    },
};
use serde_json::{Value, json};

use super::{Latency, Metric, percentiles::Step};

/// Tools divide the maximum of an interval by this to show milliseconds.
const MAX_VALUE_DIVISOR: f64 = 1e6;

/// The compressed V2 encoding in base64; values are nanoseconds.
///
/// # Errors
/// In words; only when memory runs out.
pub fn v2(histogram: &Histogram<u64>) -> Result<String, String> {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new()
        .serialize(histogram, &mut bytes)
        .map_err(|error| format!("the histogram cannot be encoded: {error:?}"))?;
    Ok(STANDARD.encode(bytes))
}

/// An interval log with one line for each histogram, tagged with its name; values are nanoseconds.
///
/// # Errors
/// In words; only when memory runs out.
pub fn interval_log<'h>(
    comments: impl IntoIterator<Item = String>,
    histograms: impl IntoIterator<Item = (Metric, &'h Histogram<u64>, (SystemTime, Duration))>,
) -> Result<Vec<u8>, String> {
    let words = |error: &dyn std::fmt::Debug| format!("the log cannot be written: {error:?}");
    let histograms: Vec<_> = histograms.into_iter().collect();
    let start = histograms.iter().map(|(_, _, (since, _))| *since).min();
    let start = start.unwrap_or_else(SystemTime::now);
    let (mut serializer, mut out) = (V2DeflateSerializer::new(), Vec::new());
    let mut builder = IntervalLogWriterBuilder::new();
    builder.add_comment("causeway: latencies in nanoseconds");
    for comment in comments {
        builder.add_comment(&comment);
    }
    let mut log = builder
        .with_start_time(start)
        .with_base_time(start)
        .with_max_value_divisor(MAX_VALUE_DIVISOR)
        .begin_log_with(&mut out, &mut serializer)
        .map_err(|error| words(&error))?;
    for (metric, histogram, (since, length)) in histograms {
        let offset = since.duration_since(start).unwrap_or_default();
        log.write_histogram(histogram, offset, length, Tag::new(metric.name()))
            .map_err(|error| words(&error))?;
    }
    drop(log);
    Ok(out)
}

/// Figures and percentiles; values are nanoseconds.
pub fn percentiles(latency: &Latency, metric: Metric) -> Value {
    let steps = latency.steps(metric);
    let steps = steps.iter().map(|Step { value_ns, quantile, total }| {
        json!({ "percentile": quantile * 100.0, "value_ns": value_ns, "count": total })
    });
    let steps: Vec<Value> = steps.collect();
    let mut told = json!(latency.summary(metric));
    told["percentiles"] = Value::Array(steps);
    told
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::{
        Deserializer,
        interval_log::{IntervalLogIterator, LogEntry},
    };

    use super::*;
    use crate::telemetry::tally;

    fn sample() -> Histogram<u64> {
        let mut histogram = tally::empty();
        (1..=1000_u64).for_each(|micros| histogram.record(micros * 1000).unwrap());
        histogram
    }

    fn decode(text: &str) -> Histogram<u64> {
        let bytes = STANDARD.decode(text).unwrap();
        Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap()
    }

    #[test]
    fn what_was_encoded_is_decoded_again() {
        for histogram in [sample(), tally::empty()] {
            assert_eq!(decode(&v2(&histogram).unwrap()), histogram);
        }
    }

    #[test]
    fn the_log_has_a_tagged_line_for_each_with_its_time() {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let (one, other) = (sample(), tally::empty());
        let minute = Duration::from_secs(60);
        let log = interval_log(
            ["worker 1 did not answer".to_owned()],
            [
                (Metric::Dial, &one, (start + minute, minute)),
                (Metric::Connect, &other, (start, 2 * minute)),
            ],
        )
        .unwrap();
        let text = String::from_utf8(log.clone()).unwrap();
        assert!(text.contains("#worker 1 did not answer\n"), "{text}");
        let intervals: Vec<_> = IntervalLogIterator::new(&log)
            .filter_map(|entry| match entry.unwrap() {
                LogEntry::Interval(interval) => Some(interval),
                _ => None,
            })
            .collect();
        let [dial, connect] = &intervals[..] else { panic!("{text}") };
        assert_eq!(dial.tag().map(|tag| tag.as_str()), Some("dial"));
        assert_eq!((dial.start_timestamp(), dial.duration()), (minute, minute));
        assert_eq!(decode(dial.encoded_histogram()), one);
        assert!((dial.max() - 1.0).abs() < 0.01, "{}", dial.max());
        assert_eq!((connect.start_timestamp(), connect.duration()), (Duration::ZERO, 2 * minute));
        assert_eq!(decode(connect.encoded_histogram()).len(), 0);
    }

    #[test]
    fn percentiles_rise_to_the_whole_count() {
        let mut latency = Latency::new();
        (1..=1000).for_each(|micros| {
            latency.record(Metric::Dial, Duration::from_micros(micros));
        });
        let told = percentiles(&latency, Metric::Dial);
        assert_eq!(told["count"], 1000);
        let steps = told["percentiles"].as_array().unwrap();
        assert!(steps.len() > 20, "{told}");
        let last = steps.last().unwrap();
        assert_eq!((&last["percentile"], &last["count"]), (&json!(100.0), &json!(1000)));
    }
}

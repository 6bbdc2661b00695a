//! The interval log in HdrHistogram's V2 format, which its own tools read.

use std::time::Duration;

use hdrhistogram::serialization::{
    V2DeflateSerializer,
    interval_log::{IntervalLogWriterBuilder, Tag},
};

use super::run::RunReport;
use crate::failure::{Failure, While as _};

/// Tools of HdrHistogram divide the maximum by this; latencies are nanoseconds, shown in
/// milliseconds.
const MAX_VALUE_DIVISOR: f64 = 1e6;

/// One line an interval.
pub(super) fn write(report: &RunReport) -> Result<Vec<u8>, Failure> {
    let mut serializer = V2DeflateSerializer::new();
    let mut out = Vec::new();
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("causeway-loadtest: latency in nanoseconds")
        .with_start_time(report.started)
        .with_base_time(report.started)
        .with_max_value_divisor(MAX_VALUE_DIVISOR)
        .begin_log_with(&mut out, &mut serializer)
        .during("interval log")?;
    let tag = Tag::new("latency");
    for interval in &report.measurement.intervals {
        let (start, length): (Duration, Duration) = (interval.start, interval.length);
        log.write_histogram(&interval.latency, start, length, tag)
            .map_err(|error| Failure(format!("interval log: {error:?}")))?;
    }
    drop(log);
    Ok(out)
}

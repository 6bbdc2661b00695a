//! What Causeway tells about itself: latencies, counters and the log.
//!
//! * [`latency`]: one worker's histograms; [`percentiles`] and [`buckets`] print them
//! * [`counters`]: one worker's counters and gauges; [`prometheus`] prints them
//! * [`names`]: every label value there is, so that no metric grows with traffic
//! * [`log`]: sets the log up; [`repeats`]: keeps a flood of equal lines out of it

pub mod buckets;
pub mod counters;
pub mod latency;
pub mod log;
pub mod names;
pub mod percentiles;
pub mod prometheus;
pub mod repeats;
pub mod snapshot;

pub use counters::{Count, Counters, Gauge};
pub use latency::{Latency, Metric, Summary};
pub use repeats::{Repeats, Verdict};
pub use snapshot::{CountersSnapshot, Fact};

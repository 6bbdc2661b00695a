//! What Causeway tells about itself: latencies, counters and the log.
//!
//! * [`latency`]: one worker's histograms; [`percentiles`] and [`buckets`] print them
//! * [`counters`]: one worker's counters and gauges; [`prometheus`] prints them
//! * [`names`]: every label value there is, so that no metric grows with traffic
//! * [`log`]: sets the log up; [`repeats`]: keeps a flood of equal lines out of it
//! * [`audit`]: who did what, written down by a thread of its own
//! * [`party`]: whom a record is about; [`records`]: the handles of all that takes records
//! * [`trace`]: spans of traces, sent to a collector by a thread of its own

pub mod audit;
pub mod buckets;
pub mod counters;
pub mod latency;
pub mod log;
pub mod names;
pub mod party;
pub mod percentiles;
pub mod prometheus;
pub mod records;
pub mod repeats;
pub mod snapshot;
pub mod trace;

pub use audit::Audit;
pub use counters::{Count, Counters, Gauge};
pub use latency::{Latency, Metric, Summary};
pub use party::{Party, TunnelId};
pub use records::Records;
pub use repeats::{Repeats, Verdict};
pub use snapshot::{CountersSnapshot, Fact};
pub use trace::{TraceContext, Traces};

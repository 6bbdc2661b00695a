//! What Causeway tells about itself: latencies, counters and the log.
//!
//! * [`metric`]: what is timed; [`latency`]: one worker's or service's histograms, each a `tally`
//! * [`groups`]: one worker's figures of each service, a [`group`]; [`figures`]: all workers'
//! * `percentiles`, [`dump`] and [`buckets`] print latencies
//! * [`counters`]: one worker's counters and gauges; [`prometheus`] and [`services`] print them
//! * [`openings`]: how the last tunnels opened; [`incumbent`]: what the incumbent's dashboards ask
//! * [`names`]: every label value there is, so that no metric grows with traffic
//! * [`log`]: sets the log up; [`repeats`]: keeps a flood of equal lines out of it
//! * [`audit`]: who did what, written down by a thread of its own
//! * [`party`]: whom a record is about; [`records`]: the handles of all that takes records
//! * [`trace`]: spans of traces, sent to a collector by a thread of its own

pub mod audit;
pub mod buckets;
pub mod counters;
pub mod dump;
pub mod figures;
pub mod group;
pub mod groups;
pub mod incumbent;
pub mod latency;
pub mod log;
pub mod metric;
pub mod names;
pub mod openings;
pub mod party;
mod percentiles;
pub mod prometheus;
pub mod records;
pub mod repeats;
pub mod services;
pub mod snapshot;
mod tally;
pub mod trace;

pub use audit::Audit;
pub use counters::{Count, Counters, Gauge};
pub use figures::{Figures, GroupFigures, Selection};
pub use group::{GroupCounts, GroupGauges, GroupKey};
pub use groups::{Group, GroupNews, Groups, News, Presence};
pub use latency::{Latency, Summary};
pub use metric::Metric;
pub use openings::Openings;
pub use party::{Party, TunnelId};
pub use records::Records;
pub use repeats::{Repeats, Verdict};
pub use snapshot::{CountersSnapshot, Fact, Several};
pub use trace::{TraceContext, Traces};

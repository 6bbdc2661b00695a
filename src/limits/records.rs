//! Bounds of what is written down: log, audit, traces.

use std::time::Duration;

// --- log ----------------------------------------------------------------------------------------

/// Log lines of one kind (a refusal of one subaccount) in [`LOG_REPEATS_INTERVAL`] on one worker;
/// the others are counted.
pub const LOG_REPEATS_MAX: u32 = 10;
/// See [`LOG_REPEATS_MAX`].
pub const LOG_REPEATS_INTERVAL: Duration = Duration::from_secs(10);

// --- audit --------------------------------------------------------------------------------------

/// Audit events that wait to be written, unless configured: four seconds of 1000 streams a second,
/// and 4 MB.
pub const AUDIT_QUEUE_EVENTS: usize = 8192;
/// Least and most such events that can be configured: a queue of a few loses records in a burst
/// that is none, one of millions is memory nobody planned for.
pub const AUDIT_QUEUE_EVENTS_MIN: usize = 16;
/// See [`AUDIT_QUEUE_EVENTS_MIN`].
pub const AUDIT_QUEUE_EVENTS_MAX: usize = 1_048_576;
/// An audit file is rotated when it is longer, unless configured: 300 000 streams.
pub const AUDIT_ROTATE_BYTES: u64 = 256 * 1024 * 1024;
/// Rotated audit files that are kept, unless configured.
pub const AUDIT_KEEP_FILES: usize = 10;
/// Most rotated audit files that can be configured: each rotation renames them all.
pub const AUDIT_KEEP_FILES_MAX: usize = 1000;
/// Lines made before they are written: one write for some hundred records under load.
pub const AUDIT_BATCH_BYTES: usize = 64 * 1024;
/// Between two attempts to write what could not be written.
pub const AUDIT_RETRY: Duration = Duration::from_millis(500);
/// Without events the audit looks this often whether something is to be told.
pub const AUDIT_LOOK: Duration = Duration::from_secs(1);
/// Records of one kind (refusals of one service, failed tunnels of one address) that are written in
/// [`AUDIT_REPEATS_INTERVAL`]; the others are counted, so that no flood rotates other records away.
pub const AUDIT_REPEATS_MAX: u32 = 100;
/// See [`AUDIT_REPEATS_MAX`].
pub const AUDIT_REPEATS_INTERVAL: Duration = Duration::from_secs(10);
/// How long a process that ends tries to write what it could not.
pub const AUDIT_END_TIMEOUT: Duration = Duration::from_secs(2);
/// Between two such attempts.
pub const AUDIT_END_RETRY: Duration = Duration::from_millis(50);
/// Mappings or keys that one audit record of a change names; the others are counted.
pub const AUDIT_NAMES_MAX: usize = 100;

// --- figures ------------------------------------------------------------------------------------

/// Whoever asks for several things at once sees one moment of them: the workers are asked again for
/// what they recorded when that is older. They give up histograms with every answer and begin new
/// ones, so that six requests one behind the other cost six times as much.
pub const FIGURES_AGE_MAX: Duration = Duration::from_millis(10);

// --- traces -------------------------------------------------------------------------------------

/// Spans that wait to be sent, half a kilobyte each; more are counted as lost.
pub const TRACE_QUEUE_SPANS: usize = 4096;
/// Spans sent at once: a request of some hundred kilobytes.
pub const TRACE_BATCH_SPANS: usize = 512;
/// A span is sent no later than this after it ended.
pub const TRACE_FLUSH: Duration = Duration::from_secs(2);
/// To reach the collector, and again to be answered: a batch that takes longer is lost.
pub const TRACE_SEND_TIMEOUT: Duration = Duration::from_secs(3);

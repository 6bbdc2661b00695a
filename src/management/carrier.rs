//! What the management asks of the connector that runs: to carry what the store holds.

use std::time::Duration;

use super::store::{Channel, Subaccount};

/// A channel as it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelReport {
    /// Tunnels that are open.
    pub open: usize,
    /// Since when one is, in milliseconds since 1970; `None` while none is.
    pub connected_since: Option<i64>,
    /// What is wrong with it, for people; `None` where nothing is known to be.
    pub problem: Option<String>,
    /// Streams that are open.
    pub open_streams: u64,
    /// Bytes from the service since it was opened; it begins with 0 when it is opened anew.
    pub received: u64,
    /// Bytes to the service, likewise.
    pub sent: u64,
}

/// What the configuration file names: shown, and changed there alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileManaged {
    /// The file, as people are told of it.
    pub path: String,
    /// Its subaccounts. The ids of their channels are above
    /// [`CHANNEL_ID_MANAGED_MAX`](crate::limits::CHANNEL_ID_MANAGED_MAX).
    pub subaccounts: Vec<(Subaccount, Vec<Channel>)>,
}

/// How long something took, of all there were since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// Of what.
    pub name: &'static str,
    /// How many.
    pub count: u64,
    /// So long at most for half of them.
    pub p50: Duration,
    /// For nine of ten.
    pub p90: Duration,
    /// For 99 of a hundred.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

/// The running connector. Calls come from several threads at a time.
pub trait Carrier: Send + Sync + 'static {
    /// Puts these in force in place of those given before, which may take as long as opening
    /// listeners does. Never fails as a whole: what is wrong with a channel is told by
    /// [`Carrier::channel`]. Never called twice at a time.
    fn carry(&self, wanted: &[(Subaccount, Vec<Channel>)]);

    /// How a channel runs, of the store or of the file; `None` of one that does not: it is not
    /// enabled, its subaccount is not connected, or it is still on its way. Tells nothing of the
    /// time before it was enabled last. Does not wait.
    fn channel(&self, id: i64) -> Option<ChannelReport>;

    /// What the configuration file names now.
    fn of_file(&self) -> FileManaged {
        FileManaged::default()
    }

    /// How long what it does takes.
    fn latency(&self) -> Vec<Latency> {
        Vec::new()
    }
}

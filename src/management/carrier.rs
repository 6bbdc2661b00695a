//! What the management asks of the connector that runs: to carry what the store holds.

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
}

/// The running connector. Calls come from several threads at a time.
pub trait Carrier: Send + Sync + 'static {
    /// Puts these in force in place of those given before, which may take as long as opening
    /// listeners does. Never fails as a whole: what is wrong with a channel is told by
    /// [`Carrier::channel`]. Never called twice at a time.
    fn carry(&self, wanted: &[(Subaccount, Vec<Channel>)]);

    /// How a channel of the store runs; `None` of one that does not: it is not enabled, its
    /// subaccount is not connected, or it is still on its way. Tells nothing of the time before it
    /// was enabled last. Does not wait.
    fn channel(&self, id: i64) -> Option<ChannelReport>;
}

//! Whose channels are: a connector serves those of several subaccounts side by side.

use std::sync::Arc;

use super::role::TlsOfModes;

/// The subaccount a channel belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The host of its region; empty for the configuration file's, whose endpoints tell it.
    pub region_host: String,
    /// Its id.
    pub subaccount: String,
    /// The location id of this connector within it; `""` is the default one.
    pub location: String,
    /// What tells it from the others on the workers; never used again.
    pub(super) number: usize,
}

impl Owner {
    /// The number of the configuration file's subaccount.
    pub(super) const OF_FILE: usize = 0;
}

/// An owner with what its tunnels are opened with.
pub struct Identity {
    pub(super) owner: Arc<Owner>,
    pub(super) tls: TlsOfModes,
}

//! The on-premise side: opens a local port per service channel, dials tunnels to the proxy, keeps
//! a few warm, and relays each accepted client.

mod channel;
mod dial;
mod multiplexed;
mod open_direct;
mod open_multiplexed;
mod role;
mod session;
mod start;
mod status;
mod warm;

pub use role::{ConnectorMessage, TlsOfModes};
pub use start::{Material, RunningChannel, RunningConnector, StartError, load_material, start};
pub use status::ChannelStatus;

//! The on-premise side: opens a local port per service channel, dials tunnels to the proxy, keeps
//! a few warm, and relays each accepted client.

mod carried;
mod channel;
mod channels;
mod client;
mod dial;
mod material;
mod multiplexed;
mod open_direct;
mod open_multiplexed;
mod owner;
mod reload;
mod role;
mod session;
mod start;
mod status;
mod warm;

pub use carried::{CarriedChannel, CarriedSubaccount};
pub use channels::RunningChannel;
pub use material::{Material, load_local, load_material};
pub use owner::Owner;
pub use role::{ConnectorMessage, TlsOfModes};
pub use start::{RunningConnector, StartError, start};
pub use status::ChannelStatus;

//! The glue: drives one session, with the pure parts (`tls`, `protocol`, `tunnel`) on one hand and
//! the engine's sockets on the other. Knows both roles' needs but neither role.

mod carrier;
mod deadline;
mod dial;
mod drain;
mod inbound;
mod link;
mod live;
mod meter;
mod mux;
mod outcome;
mod plain;
mod shard;
mod side;
mod splice;
mod view;

pub use carrier::{Cut, DirectSource, Sink, Source};
pub use deadline::with_deadline;
pub use dial::{DialError, connect_any};
pub use drain::{abort_when_delivered, linger};
pub use inbound::{Chunk, Inbound};
pub use link::{Link, LinkError};
pub use live::{Grant, Live};
pub use meter::Meter;
pub use mux::{Arrival, ClientTunnel, MuxSink, MuxSource, OpenError, Opened, Tunnel, serve};
pub use outcome::Outcome;
pub use plain::{PlainSink, PlainSource, SecuredSource};
pub use shard::Shard;
pub use side::TunnelSide;
pub use splice::{Ends, splice};
pub use view::{Aim, Face, View, Whose};

//! Many streams in one tunnel: an HTTP/2 session over a TLS link, and the tunnel's side of each
//! of its streams.

mod client;
mod drive;
mod payload;
mod server;
mod stream;
mod tunnel;

pub use client::{ClientTunnel, OpenError, Opened};
use payload::Payload;
pub use server::{Arrival, serve};
pub use stream::{MuxSink, MuxSource};
pub use tunnel::Tunnel;

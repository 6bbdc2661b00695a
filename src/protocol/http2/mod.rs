//! HTTP/2 CONNECT (RFC 9113 §8.5) without a socket: the `h2` crate over an in-memory wire.
//!
//! Plaintext goes in by [`Wire::deliver`], bytes to send come out by [`Wire::poll_output`]. The
//! crate's futures are driven by whoever owns the session; there is no reactor and no timer here.
//! Inspect what comes in with a [`Guard`] first: it bounds what the crate does not.

mod end;
mod guard;
mod outgoing;
mod request;
mod settings;
mod wire;

pub use end::{StreamEnd, end_of, is_retryable, violation_of};
pub use guard::{Bucket, Flood, Guard};
pub use h2::{Error, Ping, PingPong, Reason, RecvStream, SendStream, client, server};
pub use outgoing::{Left, Outgoing};
pub use request::{
    Asked, answer_established, answer_healthy, answer_refusal, parse_request, proxy_status,
    write_connect,
};
pub use settings::{Windows, client_builder, server_builder};
pub use wire::{Io, Wire};

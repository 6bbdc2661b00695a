//! A plain relay on tokio and tokio-rustls, without any of Causeway's ideas: the common Rust shape.

mod args;
mod client;
mod forward;

pub(crate) use args::RelayArgs;
pub(crate) use client::RelayClientArgs;

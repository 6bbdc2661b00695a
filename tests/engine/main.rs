//! The engine's behaviour, every case over both drivers and real sockets.

#![allow(clippy::unwrap_used)]

mod connecting;
mod ending;
mod idle;
mod listening;
mod resources;
mod transfer;
mod waking;
mod world;

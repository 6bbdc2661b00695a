//! Whatever is compared: how each is configured, started, spoken to, and what it uses.

mod causeway;
mod contestant;
mod haproxy;
mod nginx;
mod plain_rust;
mod process;
mod stunnel;

pub(crate) use contestant::{Contestant, Place, lineup};
pub(crate) use process::{Running, Usage, own_cpu_seconds, pin_this_thread};

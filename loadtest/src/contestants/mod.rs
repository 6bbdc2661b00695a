//! Whatever is compared: how each is configured, started, spoken to, and what it uses.

mod causeway;
mod contestant;
mod haproxy;
mod nginx;
mod place;
mod plain_rust;
mod process;
mod stunnel;
mod usage;

pub(crate) use contestant::{Contestant, Setup, lineup};
pub(crate) use place::Post;
pub(crate) use process::{Team, pin_this_thread};
pub(crate) use usage::{Usage, own_cpu_seconds};

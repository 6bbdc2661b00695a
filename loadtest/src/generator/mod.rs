//! The load generator: one thread, one event loop, every stream a task of it.

mod connect;
mod dialer;
mod drive;
mod load;
mod plain;
mod rotating;
mod schedule;
mod stream;
mod tls;

pub(crate) use dialer::{Dialer, Target};
pub(crate) use drive::{Observer, drive, interval_length, on_one_thread};
pub(crate) use tls::{ClientFiles, certificates, client_config, provider, roots};

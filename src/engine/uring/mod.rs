//! Operations as completions of a ring, through tokio-uring's one-shot submission.
//!
//! The data of each operation in flight owns its buffer and a reference to its socket, so neither
//! can be freed, closed or its descriptor used anew while the kernel works on it.

mod cancel;
mod operation;
mod recv;
mod ring;
mod send;

pub(super) use cancel::{cancel_all, release_idle};
pub(super) use operation::Flight;
pub(super) use recv::{recv, recv_more};
pub(super) use ring::{REQUIRED, setups, start};
pub(super) use send::send_all;

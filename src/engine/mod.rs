//! The I/O shell under a worker: one vocabulary (accept, connect, recv, send, shutdown, abort)
//! over two drivers, io_uring (tokio-uring) and epoll (tokio), with the same semantics.
//!
//! Operations own what the kernel works on: a buffer is moved in and comes back with the result,
//! and an operation in flight keeps its socket open. Dropping a future cancels nothing under
//! io_uring, so nobody races an operation against a timer: whoever wants one to end calls
//! `shutdown` or `abort` on its socket and awaits it.
//!
//! **The ring is handed its operations when the event loop goes idle.** A task that waits by
//! yielding in a loop keeps it busy and so waits for ever; wait for an operation or a timer.
//!
//! All system calls and all `unsafe` of the program live here. What is absent: protocols, TLS,
//! deadlines and any knowledge of who a socket belongs to.

mod allocator;
mod buffers;
mod cores;
mod driver;
mod epoll;
mod exhausted;
mod listener;
mod options;
mod process;
mod rings;
mod runtime;
mod socket;
mod system;
mod uring;
mod wake;

pub mod preflight;

pub use allocator::Allocator;
pub use buffers::{Buffer, BufferPool, Registration, SizeClass};
pub use cores::{CorePlan, PinWanted, pin_current, plan, usable_cores};
pub use driver::{Driver, Kind};
pub use exhausted::{exhausted, memory_allowed, turn_away};
pub use listener::Listener;
pub use options::Tuning;
pub use process::{OpenFiles, open_files, raise_open_files, stand_back, thread_time};
pub use rings::{RingFacts, Rings};
pub use runtime::Runtime;
pub use socket::Socket;
pub use wake::{Wake, Waker, wake_pair};

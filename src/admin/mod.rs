//! The admin server: health, readiness, latencies and counters over HTTP, on a thread of its own
//! and never on a worker's.
//!
//! * [`source`]: what the roles tell
//! * [`server`]: the thread, its listener and its bounds
//! * [`routes`]: what is served where; `histograms` what was recorded, as a `question` wants it

mod histograms;
mod question;
pub mod routes;
pub mod server;
pub mod source;

pub use server::{Admin, serve};
pub use source::{Readiness, Source};

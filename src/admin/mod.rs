//! The admin server: health, readiness, latencies and counters over HTTP, and the API by which
//! operators see and change what a role does; on a thread of its own and never on a worker's.
//!
//! * [`source`], [`operations`]: what the roles tell and do
//! * [`server`]: the thread, its listeners and its bounds; `guard` and `token`: who may ask
//! * [`mod@routes`]: what is served where; `api`: what operators ask; `histograms` what was
//!   recorded, as a `question` wants it

mod api;
mod exposed;
mod guard;
mod histograms;
mod log_level;
pub mod operations;
mod query;
mod question;
pub mod routes;
pub mod server;
pub mod source;
mod table;
mod token;

pub use guard::{Admitted, ShownCertificate};
pub use operations::{Kind, Operations, Selection, Unanswered};
pub use routes::routes;
pub use server::{Admin, serve, serve_around, serve_with};
pub use source::{Readiness, Source};

//! The audit: what happened, for whoever has to answer for it later. One line a record,
//! `[AUDIT-EVENT]` and a JSON object, on standard output or in a file that is rotated.
//!
//! Workers leave events in a bounded queue and never wait; a thread of its own writes them. What
//! cannot be written is counted, and told by a record of its own as soon as one can be written.

mod event;
mod file;
mod handle;
mod line;
mod sink;
mod writer;

pub use event::Event;
pub use handle::{Audit, AuditThread, Settings, Target};

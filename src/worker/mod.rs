//! Worker threads: one pinned thread with one event loop each, their mailboxes, how accepted
//! connections are spread over them, and how they drain. Knows no role by name.

mod accept;
mod ask;
mod busy;
mod crew;
mod load;
mod look;
mod mailbox;
mod memory;
mod run;
mod watchdog;

pub use ask::NoAnswer;
pub use crew::{Crew, Listening, Plan, start};
pub use load::Load;
pub use look::{Filter, Look, Seen};
pub use mailbox::{Accepted, Mailbox, Message};
pub use memory::memory_share;
pub use run::{Role, Worker};

pub use crate::engine::stand_back;

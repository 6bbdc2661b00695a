//! The REST interface: the incumbent's routes for subaccounts and service channels, and those of
//! sessions (docs/management.md). A request is judged in this order: who sends it, whether they
//! may, what it says.

mod accounts;
mod alerts;
mod backup;
mod body;
mod certificates;
mod channels;
mod desk;
mod enable;
mod entity;
mod known;
mod machine;
mod monitoring;
mod offer;
mod path;
mod requests;
mod routes;
mod said;
mod sent;
mod session;
mod setup;
mod subaccounts;
mod transfer;
mod usage;
mod version;
mod who;

pub(super) use desk::ms;
pub use desk::{Desk, now_ms};
pub use offer::offer_setup;
pub use routes::router;

//! The cloud side: terminates tunnels, authorises each CONNECT against the caller's own mappings,
//! dials the service and relays.

mod authorise;
mod budgets;
mod doorkeeper;
mod explain;
mod hold;
mod inspect;
mod notes;
mod probe;
mod reload;
mod request;
mod role;
mod session;
mod sources;
mod start;
mod streams;
mod visit;

pub use explain::Finding;
pub use role::ProxyMessage;
pub use sources::{load_material, tenancy};
pub use start::{RunningProxy, StartError, start, start_with};

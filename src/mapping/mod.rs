//! Service mappings: which service of the cluster a subaccount may reach under which name.
//!
//! Documents become validated [`Mapping`]s, mappings an immutable [`MappingTable`] that a worker
//! asks once per CONNECT. Nothing here dials, logs, starts threads or looks at a clock;
//! [`load_directory`] is the one place that reads files, [`read_object`] takes what a cluster
//! holds.

mod address;
pub mod annotations;
mod directory;
mod document;
mod model;
mod names;
mod network;
mod object;
mod pace;
mod schedule;
mod table;
mod usage;
mod validate;
mod yaml;

pub use address::{Address, AddressError};
pub use directory::{Loaded, load_directory, parse_documents};
pub use model::{Mapping, Problem, ServiceType, Snapshot, Source, Tenancy};
pub use network::Network;
pub use object::read_object;
pub use pace::Pace;
pub use table::{Denied, Grant, MappingTable};
pub use usage::{Quota, Spent, StreamPermit, TenantUsage, TunnelPermit};

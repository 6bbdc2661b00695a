//! The proxy's eyes in a cluster: a thread that watches its `ServiceMapping` objects, hands those
//! in force to the proxy as a snapshot, and, where it leads, writes what they came to into their
//! status.
//!
//! * `start`: the thread and its tasks; `client`: how the API is reached
//! * `resource`: the resource and its definition
//! * `watch`: keeps the `object`s up to date; `judge`: which of them are in force;
//!   `publish`: tells the proxy
//! * `lease`: which replica leads; `reach`: dials services; `status` and `writer`: what
//!   the leader writes; `events`: what it tells beside
//! * `webhook`: says no before a mapping is stored
//! * `health`: what the admin server shows; `refused`: what the API's no means
//!
//! No type of `kube` leaves this module.

mod client;
mod cluster;
mod events;
mod health;
mod judge;
mod lease;
mod object;
mod pace;
mod publish;
mod reach;
mod refused;
mod resource;
mod start;
mod status;
mod watch;
mod webhook;
mod writer;

pub use client::StartError;
pub use resource::definition;
pub use start::{FIRST_LIST, Publish, RunningKubernetes, Settings, start};

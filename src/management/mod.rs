//! The connector as a product: what is made by REST or on the page, who may make it, and where it
//! is kept. Knows the roles below it; they do not know it.

pub mod accounts;
mod beside;
mod carrier;
mod failure;
mod machine;
mod of_connector;
pub mod rest;
pub mod sealed;
pub mod store;
pub mod web;

pub use beside::beside;
pub use carrier::{Carrier, ChannelReport, FileManaged, Latency};
pub use failure::Failure;
pub use of_connector::OfConnector;

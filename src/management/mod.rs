//! The connector as a product: what is made by REST or on the page, who may make it, and where it
//! is kept. Knows the roles below it; they do not know it.

pub mod accounts;
mod carrier;
mod failure;
mod machine;
pub mod rest;
pub mod store;
pub mod web;

pub use carrier::{Carrier, ChannelReport, FileManaged, Latency};
pub use failure::Failure;

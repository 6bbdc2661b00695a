//! The connector as a product, apart from what runs: its store, and REST over it.

// Helpers of tests may unwrap like the tests themselves.
#![allow(clippy::unwrap_used)]

mod accounts;
mod backup;
mod backup_bounds;
mod callers;
mod file;
mod house;
mod many;
mod matrix;
mod monitoring;
mod page;
mod replay;
mod requests;
mod store;
mod storm;
mod transfer;
mod wrong;

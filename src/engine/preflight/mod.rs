//! What this host allows, found out before the first connection: which engine, which limits.
//! Each finding is one line: what was found, why, the exact fix, the consequence.

mod choose;
mod examine;
mod host;
mod judge;
mod observe;
mod self_test;

#[cfg(test)]
mod denied;
#[cfg(test)]
mod judge_tests;

pub use choose::{Chosen, Wanted, choose};
pub use examine::{Examination, Finding, examine};

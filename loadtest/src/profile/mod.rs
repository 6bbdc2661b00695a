//! Where a contestant's CPU time goes: samples that perf takes of its processes, by cause.

mod cause;
mod perf;
mod stacks;

pub(crate) use cause::Cause;
pub(crate) use perf::{Recording, missing};
pub(crate) use stacks::Profile;

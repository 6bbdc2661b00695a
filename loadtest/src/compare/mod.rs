//! `compare`: the same scenarios for every contestant, in turns.

mod args;
mod cell;
mod plan;
mod result;
mod spread;

pub(crate) use args::CompareArgs;
pub(crate) use result::{Compared, Comparison, Entry};
pub(crate) use spread::Spread;

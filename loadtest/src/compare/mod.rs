//! `compare`: the same scenarios for every contestant, in turns.

mod added;
mod args;
mod cell;
mod course;
mod engines;
mod entry;
mod growth;
mod plan;
mod result;
mod spread;

pub(crate) use args::CompareArgs;
pub(crate) use entry::Entry;
pub(crate) use result::{Compared, Comparison};
pub(crate) use spread::Spread;

//! Two HTTP/2 sessions joined by a pipe that splits, delays and cuts, and a shadow of what they
//! carry. Everything follows from one seed; time is a count of ticks.

mod alarm;
mod choices;
mod chunk;
mod core;
mod flow;
mod frames;
mod ledger;
mod open;
mod operations;
mod pipe;
mod run;
mod scenario;
mod strand;
mod tally;
mod tap;
mod world;

pub(crate) use choices::Choices;
pub(crate) use run::run;
pub(crate) use scenario::shrink_after_a_third;
pub(crate) use tally::Tally;

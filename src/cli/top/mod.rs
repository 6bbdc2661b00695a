//! `causeway top`: what a running process does, live on a terminal. It knows the process only by
//! its admin API.

mod args;
mod client;
mod model;
mod run;
mod sample;
mod screen;

pub(super) use args::TopArgs;

//! `run`: one scenario, one target; and `serve`, the service to put behind it.

mod args;
mod serve;

pub(crate) use args::RunArgs;
pub(crate) use serve::ServeArgs;

//! The command line: one file per subcommand.

mod args;
mod check;
pub mod cluster;
mod connector;
mod crd;
mod demo;
pub mod doctor;
pub mod node;
mod operate;
mod operated;
pub mod pki;
mod proxy;
mod signals;
mod top;

pub use args::main;

//! The command line: one file per subcommand.

mod args;
mod check;
pub mod cluster;
mod completions;
mod connector;
mod crd;
mod demo;
pub mod doctor;
mod man;
mod management;
pub mod node;
mod notify;
mod operate;
mod operated;
pub mod pki;
mod proxy;
mod records;
mod roles;
mod signals;
mod top;

pub use args::main;

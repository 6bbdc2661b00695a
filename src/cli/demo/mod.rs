//! `causeway demo`: everything in one process on loopback, with a throw-away PKI.

mod echo;
mod files;
mod run;

pub(super) use run::DemoArgs;

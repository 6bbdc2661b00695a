//! The Helm chart, and everything else under `config/`. What needs Helm (`.ci/run` installs it) or
//! an API server (`tests/kubernetes/servers.sh` builds it) is skipped aloud where that is missing.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

use std::process::ExitCode;

use libtest_mimic::Arguments;

mod combinations;
mod files;
mod helm;
mod image;
mod installing;
mod pods;
#[path = "../e2e/support/port.rs"]
mod port;
mod refusals;
mod rendering;
mod seccomp;
mod servers;
mod suite;
mod units;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut suite = suite::Suite::new();
    files::add(&mut suite);
    image::add(&mut suite);
    installing::add(&mut suite);
    pods::add(&mut suite);
    refusals::add(&mut suite);
    rendering::add(&mut suite);
    seccomp::add(&mut suite);
    servers::add(&mut suite);
    units::add(&mut suite);
    libtest_mimic::run(&arguments, suite.into_trials()).exit_code()
}

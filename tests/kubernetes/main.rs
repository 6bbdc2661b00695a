//! The Kubernetes side against real API servers: a full one of Kubernetes 1.20 and the half of
//! 1.36 that serves custom resources. `servers.sh` builds and starts them; where they are not
//! built their tests are skipped, aloud. `CAUSEWAY_TEST_CLUSTER=1` with `KUBECONFIG` runs the same
//! tests against a real cluster instead, of which only objects of the tests are touched.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

use std::process::ExitCode;

use libtest_mimic::Arguments;

mod api;
mod cluster;
mod conflicts;
mod faults;
mod front;
mod installation;
mod kubectl;
mod leases;
mod many;
mod outages;
mod permissions;
mod pick_up;
mod statuses;
#[path = "../e2e/support/mod.rs"]
#[allow(dead_code)] // what only the other suite needs
mod support;
mod webhook;

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Mappings belong to the whole cluster: one test at a time.
    arguments.test_threads = Some(1);
    let mut suite = cluster::Suite::new();
    pick_up::add(&mut suite);
    statuses::add(&mut suite);
    conflicts::add(&mut suite);
    leases::add(&mut suite);
    permissions::add(&mut suite);
    faults::add(&mut suite);
    outages::add(&mut suite);
    kubectl::add(&mut suite);
    webhook::add(&mut suite);
    many::add(&mut suite);
    let conclusion = libtest_mimic::run(&arguments, suite.into_trials());
    cluster::stop_all();
    conclusion.exit_code()
}

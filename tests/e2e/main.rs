//! Both roles together, over real sockets and real TLS, each behaviour on both engines.

#![allow(missing_docs, unreachable_pub, clippy::unwrap_used)]

use std::process::ExitCode;

use libtest_mimic::Arguments;

mod abuse;
mod access;
mod basics;
mod certificates;
mod commands;
mod connector;
mod crowd;
mod curl;
mod cuts;
mod dials;
mod drain;
mod endings;
mod explain;
mod fidelity;
mod floods;
mod fuzz;
mod half_close;
mod histograms;
mod hostile;
mod interop;
mod mappings;
mod metrics;
mod names;
mod offenders;
mod operate;
mod outbound;
mod panics;
mod pauses;
mod permissions;
mod pressure;
mod process;
mod quiet;
mod refusals;
mod replicas;
mod restart;
mod scraping;
mod service_log;
mod sharing;
mod speed;
mod stalls;
mod storm;
mod support;
mod top;
mod tunnels;

fn main() -> ExitCode {
    panics::be_the_child_if_asked();
    storm::be_the_service_if_asked();
    let arguments = Arguments::from_args();
    let mut suite = support::Suite::new();
    abuse::add(&mut suite);
    basics::add(&mut suite);
    access::add(&mut suite);
    commands::add(&mut suite);
    explain::add(&mut suite);
    operate::add(&mut suite);
    top::add(&mut suite);
    connector::add(&mut suite);
    mappings::add(&mut suite);
    outbound::add(&mut suite);
    panics::add(&mut suite);
    pauses::add(&mut suite);
    permissions::add(&mut suite);
    process::add(&mut suite);
    service_log::add(&mut suite);
    tunnels::add(&mut suite);
    certificates::add(&mut suite);
    curl::add(&mut suite);
    dials::add(&mut suite);
    floods::add(&mut suite);
    fuzz::add(&mut suite);
    hostile::add(&mut suite);
    interop::add(&mut suite);
    names::add(&mut suite);
    offenders::add(&mut suite);
    crowd::add(&mut suite);
    cuts::add(&mut suite);
    drain::add(&mut suite);
    endings::add(&mut suite);
    fidelity::add(&mut suite);
    half_close::add(&mut suite);
    histograms::add(&mut suite);
    metrics::add(&mut suite);
    refusals::add(&mut suite);
    pressure::add(&mut suite);
    quiet::add(&mut suite);
    replicas::add(&mut suite);
    restart::add(&mut suite);
    scraping::add(&mut suite);
    sharing::add(&mut suite);
    speed::add(&mut suite);
    stalls::add(&mut suite);
    storm::add(&mut suite);
    libtest_mimic::run(&arguments, suite.into_trials()).exit_code()
}

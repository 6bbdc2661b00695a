//! `causeway proxy`: the cloud side.

use std::{process::ExitCode, sync::Arc, thread};

use super::{
    args::RunArgs,
    cluster,
    node::{Failure, plan, report, start_admin, start_log},
    signals,
};
use crate::config::ProxyConfig;

pub(super) fn run(args: &RunArgs) -> ExitCode {
    report(serve(args))
}

fn serve(args: &RunArgs) -> Result<(), Failure> {
    let config = ProxyConfig::load(&args.config)?;
    let log = start_log(&config.log)?;
    let plan = plan("proxy", &config.workers).map_err(Failure)?;
    let running = Arc::new(cluster::start(&config, &plan)?);
    let end = signals::EndSwitch::default();
    let _admin = start_admin(config.admin.as_ref(), &running, log, &end)?;
    tracing::info!(
        address = %running.proxy.address(), workers = plan.cores.len(), engine = %plan.kind,
        "proxy serves"
    );
    let signal = signals::wait_for_end(&end, || running.proxy.warn_of_expiry())?;
    running.proxy.leave();
    signals::end_on_second()?;
    // Another replica leads while this one drains.
    if let Some(kubernetes) = &running.kubernetes {
        kubernetes.resign();
    }
    let delay = config.limits.drain_delay;
    if !delay.is_zero() {
        let seconds = delay.as_secs();
        tracing::info!(signal, seconds, "no longer ready; accepts a little longer");
        thread::sleep(delay);
    }
    tracing::info!(signal, "draining; another signal ends at once");
    let aborted = running.proxy.drain(None);
    tracing::info!(aborted, "proxy ends");
    Ok(())
}

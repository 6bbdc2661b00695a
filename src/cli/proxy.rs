//! `causeway proxy`: the cloud side.

use std::{process::ExitCode, sync::Arc};

use super::{
    args::RunArgs,
    node::{Failure, plan, report, start_admin, start_log},
    signals,
};
use crate::{config::ProxyConfig, proxy};

pub(super) fn run(args: &RunArgs) -> ExitCode {
    report(serve(args))
}

fn serve(args: &RunArgs) -> Result<(), Failure> {
    let config = ProxyConfig::load(&args.config)?;
    start_log(&config.log)?;
    let plan = plan("proxy", &config.workers).map_err(Failure)?;
    let running = Arc::new(proxy::start(&config, &plan)?);
    let _admin = start_admin(config.admin, &running, plan.kind)?;
    tracing::info!(
        address = %running.address(), workers = plan.cores.len(), engine = %plan.kind,
        "proxy serves"
    );
    let signal = signals::wait_for_end(|| running.warn_of_expiry())?;
    tracing::info!(signal, "draining; another signal ends at once");
    signals::end_on_second()?;
    let aborted = running.drain(None);
    tracing::info!(aborted, "proxy ends");
    Ok(())
}

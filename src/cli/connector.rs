//! `causeway connector`: the on-premise side.

use std::{process::ExitCode, sync::Arc};

use super::{
    args::RunArgs,
    node::{Failure, plan, report, start_admin, start_log},
    signals,
};
use crate::{config::ConnectorConfig, connector};

pub(super) fn run(args: &RunArgs) -> ExitCode {
    report(serve(args))
}

fn serve(args: &RunArgs) -> Result<(), Failure> {
    let config = ConnectorConfig::load(&args.config)?;
    let log = start_log(&config.log)?;
    let plan = plan("connector", &config.workers).map_err(Failure)?;
    let running = Arc::new(connector::start(&config, &plan)?);
    let end = signals::EndSwitch::default();
    let _admin = start_admin(config.admin.as_ref(), &running, log, &end)?;
    for channel in running.channels() {
        if let Some(address) = channel.address {
            let endpoint = &channel.config.endpoint;
            tracing::info!(local = %address, %endpoint, "channel listens");
        }
    }
    tracing::info!(workers = plan.cores.len(), engine = %plan.kind, "connector serves");
    let signal = signals::wait_for_end(&end, || running.warn_of_expiry())?;
    tracing::info!(signal, "draining; another signal ends at once");
    signals::end_on_second()?;
    let aborted = running.drain(None);
    tracing::info!(aborted, "connector ends");
    Ok(())
}

//! `causeway connector`: the on-premise side.

use std::{process::ExitCode, sync::Arc};

use super::{
    args::RunArgs,
    node::{Failure, plan, report, start_admin, start_log, tell_ready},
    notify::Manager,
    records, signals,
};
use crate::{config::ConnectorConfig, connector};

pub(super) fn run(args: &RunArgs) -> ExitCode {
    report(serve(args))
}

fn serve(args: &RunArgs) -> Result<(), Failure> {
    let config = ConnectorConfig::load(&args.config)?;
    start_log(&config.log)?;
    let mut plan = plan("connector", &config.workers).map_err(Failure)?;
    // Dropped last: what happens while the process ends is recorded.
    let (records, _recording) = records::start("connector", &config.audit, config.traces.as_ref())?;
    plan.records = records;
    let running = Arc::new(connector::start(&config, &plan)?);
    let _admin = start_admin(config.admin, &running, &plan)?;
    for channel in running.channels() {
        if let Some(address) = channel.address {
            let endpoint = &channel.config.endpoint;
            tracing::info!(local = %address, %endpoint, "channel listens");
        }
    }
    tracing::info!(workers = plan.cores.len(), engine = %plan.kind, "connector serves");
    let manager = Manager::of_environment();
    let open = running.channels().iter().filter(|channel| channel.address.is_some()).count();
    let _alive = tell_ready(&manager, &running, &format!("serves {open} service channels"))?;
    let signal = signals::wait_for_end(|| running.warn_of_expiry())?;
    tracing::info!(signal, "draining; another signal ends at once");
    manager.stopping("drains: accepts no new clients, waits for open streams");
    signals::end_on_second()?;
    let aborted = running.drain(None);
    tracing::info!(aborted, "connector ends");
    Ok(())
}

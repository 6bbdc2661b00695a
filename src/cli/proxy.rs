//! `causeway proxy`: the cloud side.

use std::{process::ExitCode, sync::Arc};

use super::{
    args::RunArgs,
    cluster,
    node::{
        Failure, check_open_files, linger, plan, report, set_level, source_of, start_admin,
        start_log, tell_ready,
    },
    notify::Manager,
    records,
    signals::{self, EndSwitch, Signals},
};
use crate::config::ProxyConfig;

pub(super) fn run(args: &RunArgs) -> ExitCode {
    report(serve(args))
}

fn serve(args: &RunArgs) -> Result<(), Failure> {
    let config = ProxyConfig::load(&args.config)?;
    let log = start_log(&config.log)?;
    let signals = Signals::listen()?;
    let mut plan = plan("proxy", &config.workers).map_err(Failure)?;
    // One subaccount alone may have so many, with two descriptors each.
    let streams = config.limits.quotas.default.streams_max;
    check_open_files("limits.streams_per_subaccount_max", streams.saturating_mul(2));
    // Dropped last: what happens while the process ends is recorded.
    let (records, _recording) = records::start("proxy", &config.audit, config.traces.as_ref())?;
    plan.records = records;
    let running = Arc::new(cluster::start(&config, &plan)?);
    running.proxy.on_log_level(set_level(log.clone()));
    let end = EndSwitch::default();
    let source = source_of(&running, log, &end);
    let _admin = start_admin(config.admin.as_ref(), source, |routes| routes)?;
    tracing::info!(
        address = %running.proxy.address(), workers = plan.cores.len(), engine = %plan.kind,
        "proxy serves"
    );
    let manager = Manager::of_environment();
    let status = format!("serves tunnels on {}", running.proxy.address());
    let _alive = tell_ready(&manager, &running, &status)?;
    let proxy = &running.proxy;
    let reload = || {
        plan.records.audit.reopen();
        proxy.reload();
    };
    let signal = signals.wait_for_end(&end, || proxy.warn_of_expiry(), reload);
    running.proxy.leave();
    signals::end_on_second()?;
    // Another replica leads while this one drains.
    if let Some(kubernetes) = &running.kubernetes {
        kubernetes.resign();
    }
    manager.stopping("drains: accepts no new streams, waits for open ones");
    linger(signal, running.proxy.drain_delay());
    tracing::info!(signal, "draining; another signal ends at once");
    let aborted = running.proxy.drain(None);
    tracing::info!(aborted, "proxy ends");
    Ok(())
}

//! `causeway connector`: the on-premise side.

use std::{process::ExitCode, sync::Arc};

use super::{
    args::RunArgs,
    management::Opened,
    node::{
        Failure, check_open_files, linger, plan, report, set_level, source_of, start_admin,
        start_log, tell_ready,
    },
    notify::Manager,
    records,
    signals::{self, EndSwitch, Signals},
};
use crate::{
    admin::Admin,
    config::{ChannelConfig, ConnectorConfig, Mode},
    connector,
    management::beside,
};

pub(super) fn run(args: &RunArgs) -> ExitCode {
    report(serve(args))
}

fn serve(args: &RunArgs) -> Result<(), Failure> {
    let config = ConnectorConfig::load(&args.config)?;
    let log = start_log(&config.log)?;
    let signals = Signals::listen()?;
    let mut plan = plan("connector", &config.workers).map_err(Failure)?;
    let tunnels: usize = config.channels.iter().map(tunnels_of).sum();
    check_open_files("the tunnels of all channels", tunnels);
    // Dropped last: what happens while the process ends is recorded.
    let (records, _recording) = records::start("connector", &config.audit, config.traces.as_ref())?;
    plan.records = records;
    let management = Opened::of(&config)?;
    let running = Arc::new(connector::start(&config, &plan)?);
    running.on_log_level(set_level(log.clone()));
    let end = EndSwitch::default();
    let source = source_of(&running, log, &end);
    let managed = management.map(|store| store.serve(&running, source.clone())).transpose()?;
    let around = |routes| match &managed {
        Some(managed) => beside(managed.desk.clone())(routes),
        None => routes,
    };
    let admin = start_admin(config.admin.as_ref(), source, around)?;
    let address = admin.as_ref().and_then(Admin::address);
    if let Some((managed, address)) = managed.as_ref().zip(address) {
        managed.invite(address)?;
    }
    for channel in running.channels().iter() {
        if let Some(address) = channel.address {
            let endpoint = &channel.config.endpoint;
            tracing::info!(local = %address, %endpoint, "channel listens");
        }
    }
    tracing::info!(workers = plan.cores.len(), engine = %plan.kind, "connector serves");
    let manager = Manager::of_environment();
    let open = running.channels().iter().filter(|channel| channel.address.is_some()).count();
    let _alive = tell_ready(&manager, &running, &format!("serves {open} service channels"))?;
    let reload = || {
        plan.records.audit.reopen();
        running.reload();
    };
    let signal = signals.wait_for_end(&end, || running.warn_of_expiry(), reload);
    running.leave();
    signals::end_on_second()?;
    manager.stopping("drains: accepts no new clients, waits for open streams");
    linger(signal, running.drain_delay());
    tracing::info!(signal, "draining; another signal ends at once");
    let aborted = running.drain(None);
    tracing::info!(aborted, "connector ends");
    Ok(())
}

/// Tunnels a channel keeps.
fn tunnels_of(channel: &ChannelConfig) -> usize {
    match channel.mode {
        _ if !channel.enabled => 0,
        Mode::Multiplexed => channel.connections,
        Mode::Direct => channel.warm_connections,
    }
}

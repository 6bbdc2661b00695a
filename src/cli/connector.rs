//! `causeway connector`: the on-premise side.

use std::{process::ExitCode, sync::Arc};

use super::{
    args::RunArgs,
    node::{Failure, check_open_files, plan, report, set_level, start_admin, start_log},
    signals::{self, Signals},
};
use crate::{
    config::{ChannelConfig, ConnectorConfig, Mode},
    connector,
};

pub(super) fn run(args: &RunArgs) -> ExitCode {
    report(serve(args))
}

fn serve(args: &RunArgs) -> Result<(), Failure> {
    let config = ConnectorConfig::load(&args.config)?;
    let log = start_log(&config.log)?;
    let signals = Signals::listen()?;
    let plan = plan("connector", &config.workers).map_err(Failure)?;
    let tunnels: usize = config.channels.iter().map(tunnels_of).sum();
    check_open_files("the tunnels of all channels", tunnels);
    let running = Arc::new(connector::start(&config, &plan)?);
    running.on_log_level(set_level(log));
    let _admin = start_admin(config.admin, &running, plan.kind)?;
    for channel in running.channels().iter() {
        if let Some(address) = channel.address {
            let endpoint = &channel.config.endpoint;
            tracing::info!(local = %address, %endpoint, "channel listens");
        }
    }
    tracing::info!(workers = plan.cores.len(), engine = %plan.kind, "connector serves");
    let signal = signals.wait_for_end(|| running.warn_of_expiry(), || running.reload());
    tracing::info!(signal, "draining; another signal ends at once");
    signals::end_on_second()?;
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

//! The connector of this process, carrying what the store holds.

use std::{net::SocketAddr, sync::Arc, time::UNIX_EPOCH};

use super::{
    Carrier, ChannelReport,
    store::{Channel, ChannelMode, Subaccount},
};
use crate::{
    config::{ChannelConfig, ChannelType, Mode},
    connector::{CarriedChannel, CarriedSubaccount, RunningChannel, RunningConnector},
    limits,
    tls::PemMaterial,
};

/// A running connector, as what carries channels.
pub struct OfConnector(Arc<RunningConnector>);

impl OfConnector {
    /// That one.
    #[must_use]
    pub fn new(running: Arc<RunningConnector>) -> Self {
        Self(running)
    }
}

impl Carrier for OfConnector {
    fn carry(&self, wanted: &[(Subaccount, Vec<Channel>)]) {
        self.0.carry(wanted.iter().map(|(one, channels)| subaccount(one, channels)).collect());
    }

    fn channel(&self, id: i64) -> Option<ChannelReport> {
        let id = u64::try_from(id).ok()?;
        let channels = self.0.channels();
        let channel = channels.iter().find(|channel| channel.id == Some(id))?;
        channel.config.enabled.then(|| report(channel))
    }
}

fn report(channel: &RunningChannel) -> ChannelReport {
    let since = channel.status.connected_since();
    let since = since.and_then(|since| since.duration_since(UNIX_EPOCH).ok());
    ChannelReport {
        open: channel.tunnels_open(),
        connected_since: since.and_then(|since| i64::try_from(since.as_millis()).ok()),
        problem: channel.status.problem(),
    }
}

fn subaccount(one: &Subaccount, channels: &[Channel]) -> CarriedSubaccount {
    CarriedSubaccount {
        region_host: one.owner.region_host.clone(),
        id: one.owner.subaccount.clone(),
        location: one.location.clone(),
        material: PemMaterial {
            certificate: one.certificate.clone().unwrap_or_default(),
            private_key: one.private_key.clone(),
            ca: one.authorities.clone(),
        },
        connected: one.connected,
        channels: channels.iter().filter_map(channel).collect(),
    }
}

/// What the store holds was judged when it was written; what a later version wrote is left alone.
fn channel(channel: &Channel) -> Option<CarriedChannel> {
    let made = &channel.made;
    let endpoint = format!("{}/{}", made.cluster, made.service).parse();
    let endpoint = endpoint
        .inspect_err(|error| tracing::error!(channel = channel.id, %error, "is not carried"))
        .ok()?;
    let config = ChannelConfig {
        endpoint,
        service_type: ChannelType::Tcp,
        local: SocketAddr::new(made.local_address, made.port),
        connections: made.connections,
        mode: match made.mode {
            ChannelMode::Multiplexed => Mode::Multiplexed,
            ChannelMode::Direct => Mode::Direct,
        },
        warm_connections: limits::WARM_CONNECTIONS,
        allowed_sources: made.allowed_sources.clone(),
        bytes_per_second_max: made.bytes_per_second_max,
        enabled: channel.enabled,
    };
    Some(CarriedChannel { id: u64::try_from(channel.id).ok()?, config })
}

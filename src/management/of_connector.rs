//! The connector of this process, carrying what the store holds.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use super::{
    Carrier, ChannelReport, FileManaged, Latency,
    rest::ms,
    store::{Channel, ChannelMode, Made, Owner, Subaccount},
};
use crate::{
    admin::Source,
    config::{ChannelConfig, ChannelType, Mode, OwnSubaccount},
    connector::{CarriedChannel, CarriedSubaccount, RunningChannel, RunningConnector},
    limits::{self, CHANNEL_ID_MANAGED_MAX},
    telemetry::{Metric, Selection},
    tls::PemMaterial,
};

/// A running connector, as what carries channels.
pub struct OfConnector {
    running: Arc<RunningConnector>,
    /// Knows what its workers recorded.
    source: Arc<dyn Source>,
}

impl OfConnector {
    /// That one, and what the admin server asks of it.
    #[must_use]
    pub fn new(running: Arc<RunningConnector>, source: Arc<dyn Source>) -> Self {
        Self { running, source }
    }
}

impl Carrier for OfConnector {
    fn carry(&self, wanted: &[(Subaccount, Vec<Channel>)]) {
        let wanted = wanted.iter().map(|(one, channels)| carried(one, channels));
        self.running.carry(wanted.collect());
    }

    fn channel(&self, id: i64) -> Option<ChannelReport> {
        let channels = self.running.channels();
        let channel = channels.iter().find(|channel| id_of(channel) == id)?;
        channel.config.enabled.then(|| report(channel))
    }

    fn of_file(&self) -> FileManaged {
        let config = self.running.in_force();
        let path = config.file.map(|file| file.display().to_string()).unwrap_or_default();
        let Some(own) = config.own else { return FileManaged { path, subaccounts: Vec::new() } };
        let host = |channel: &ChannelConfig| channel.endpoint.host.clone();
        let owner = Owner {
            // The file names endpoints and no region; a path needs a name.
            region_host: config.channels.first().map_or_else(|| "file".to_owned(), host),
            subaccount: own.id.clone(),
        };
        let channels = config.channels.iter().map(|channel| shown(channel, &owner)).collect();
        FileManaged { path, subaccounts: vec![(subaccount_of_file(owner, &own), channels)] }
    }

    fn latency(&self) -> Vec<Latency> {
        let mut shown = Vec::new();
        self.source.figures(limits::FIGURES_AGE_MAX, &mut |figures, _| {
            let Some(all) = figures.latency(&Selection::default()) else { return };
            shown = Metric::ALL.map(|metric| latency(metric, &all)).into();
        });
        shown.retain(|latency| latency.count > 0);
        shown
    }
}

fn latency(metric: Metric, all: &crate::telemetry::Latency) -> Latency {
    let summary = all.summary(metric);
    Latency {
        name: metric.name(),
        count: summary.count,
        p50: Duration::from_nanos(summary.p50_ns),
        p90: Duration::from_nanos(summary.p90_ns),
        p99: Duration::from_nanos(summary.p99_ns),
        max: Duration::from_nanos(summary.max_ns),
    }
}

/// What the management calls a channel.
fn id_of(channel: &RunningChannel) -> i64 {
    match channel.id {
        Some(id) => i64::try_from(id).unwrap_or(i64::MAX),
        None => id_of_file(&channel.config),
    }
}

/// The file's channels have no number. This one stays while the channel listens where it does, is
/// above those of the store, and is exact where numbers are floating point.
fn id_of_file(channel: &ChannelConfig) -> i64 {
    let mut hasher = DefaultHasher::new();
    channel.name().hash(&mut hasher);
    let number = i64::try_from(hasher.finish() >> (64 - 52)).unwrap_or_default();
    CHANNEL_ID_MANAGED_MAX + 1 + number
}

fn report(channel: &RunningChannel) -> ChannelReport {
    let (sent, received) = channel.status.bytes();
    ChannelReport {
        open: channel.tunnels_open(),
        connected_since: channel.status.connected_since().map(ms),
        problem: channel.status.problem(),
        open_streams: channel.status.streams() as u64,
        received,
        sent,
    }
}

fn subaccount_of_file(owner: Owner, own: &OwnSubaccount) -> Subaccount {
    Subaccount {
        owner,
        location: own.location.clone(),
        display_name: String::new(),
        description: String::new(),
        connected: true,
        managed: true,
        // Only to be shown; what is wrong with the file is told by whoever loads it.
        certificate: fs::read_to_string(&own.certificate).ok(),
        private_key: String::new(),
        authorities: String::new(),
        created_at: 0,
    }
}

/// A channel of the file, as the store would hold it.
fn shown(channel: &ChannelConfig, owner: &Owner) -> Channel {
    let endpoint = &channel.endpoint;
    Channel {
        id: id_of_file(channel),
        owner: owner.clone(),
        enabled: channel.enabled,
        made: Made {
            cluster: format!("{}:{}", endpoint.host, endpoint.port),
            service: endpoint.service.clone(),
            port: channel.local.port(),
            connections: channel.connections,
            comment: String::new(),
            local_address: channel.local.ip(),
            mode: match channel.mode {
                Mode::Multiplexed => ChannelMode::Multiplexed,
                Mode::Direct => ChannelMode::Direct,
            },
            allowed_sources: channel.allowed_sources.clone(),
            bytes_per_second_max: channel.bytes_per_second_max,
            tls: channel.tls,
        },
    }
}

fn carried(one: &Subaccount, channels: &[Channel]) -> CarriedSubaccount {
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
        channels: channels.iter().filter_map(carried_channel).collect(),
    }
}

/// What the store holds was judged when it was written; what a later version wrote is left alone.
fn carried_channel(channel: &Channel) -> Option<CarriedChannel> {
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
        tls: made.tls,
        enabled: channel.enabled,
    };
    Some(CarriedChannel { id: u64::try_from(channel.id).ok()?, config })
}

//! What a worker does on a connector: serve accepted clients and keep channels connected.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    channel::Channel, channels::tunnels_of, owner::Identity, session, status::ChannelStatus,
};
use crate::{
    config::{ChannelConfig, OutboundProxy},
    engine::turn_away,
    limits,
    mapping::Pace,
    telemetry::Repeats,
    tls::{ClientTls, PortTls},
    tunnel::Timeouts,
    worker::{Accepted, Role, Worker},
};

/// What tunnels are opened with, by the mode of their channel: they differ in what they offer to
/// speak (ALPN).
#[derive(Clone)]
pub struct TlsOfModes {
    pub(super) direct: ClientTls,
    pub(super) multiplexed: ClientTls,
    /// Serial number of the certificate.
    pub(super) serial: Arc<str>,
}

/// What control threads tell a connector's workers.
pub enum ConnectorMessage {
    /// An owner of channels has another name or other certificates from now on; running streams
    /// go on.
    Identity {
        /// Who it is.
        identity: Arc<Identity>,
        /// Whether tunnels are to be replaced by new ones.
        renew: bool,
    },
    /// Other settings, for what comes from now on.
    Settings(Box<Settings>),
    /// A channel is there, or is another one now; the streams of the old one go on.
    Channel(Box<ChannelPost>),
    /// A channel is no more; its streams go on.
    Close(usize),
}

/// A channel, as its workers are told of it.
#[derive(Clone)]
pub struct ChannelPost {
    pub(super) number: usize,
    pub(super) identity: Arc<Identity>,
    pub(super) config: ChannelConfig,
    pub(super) status: Arc<ChannelStatus>,
    pub(super) pace: Arc<Pace>,
    pub(super) workers: usize,
}

/// What every session of a connector needs to know of its configuration.
#[derive(Clone)]
pub struct Settings {
    pub(super) timeouts: Timeouts,
    pub(super) dial_timeout: Duration,
    pub(super) outbound: Option<OutboundProxy>,
    /// For channels whose clients speak TLS.
    pub(super) local_tls: Option<PortTls>,
    /// What traffic may make each worker hold.
    pub(super) memory_bytes_max: Option<usize>,
}

/// A connector's part of one worker.
pub(super) struct ConnectorRole {
    settings: RefCell<Rc<Settings>>,
    pub(super) repeats: RefCell<Repeats>,
    /// By the number of their listener.
    channels: RefCell<BTreeMap<usize, Rc<Channel>>>,
}

impl ConnectorRole {
    pub(super) fn new(settings: Settings) -> Self {
        let settings = Rc::new(settings).into();
        let repeats = Repeats::new(limits::LOG_REPEATS_MAX, limits::LOG_REPEATS_INTERVAL).into();
        Self { settings, repeats, channels: RefCell::default() }
    }

    /// What holds now. Whoever needs several parts of it asks once.
    pub(super) fn settings(&self) -> Rc<Settings> {
        self.settings.borrow().clone()
    }

    /// Serves a channel from now on, in place of an older one with its number.
    pub(super) fn install(&self, worker: &Worker, post: ChannelPost) {
        let ChannelPost { number, identity, config, status, pace, workers } = post;
        let tunnels = tunnels_of(&config, number, workers, worker.shard.index);
        let channel = Rc::new(Channel::new(identity, config, (status, pace), tunnels));
        let old = self.channels.borrow_mut().insert(number, channel.clone());
        if let Some(old) = old {
            old.close(&worker.shard, Some(channel));
        }
    }

    fn each_channel(&self, mut visit: impl FnMut(&Rc<Channel>)) {
        let channels: Vec<Rc<Channel>> = self.channels.borrow().values().cloned().collect();
        channels.iter().for_each(&mut visit);
    }
}

impl Role for ConnectorRole {
    type Message = ConnectorMessage;

    fn accepted(self: &Rc<Self>, worker: &Rc<Worker>, accepted: Accepted) {
        let channel = self.channels.borrow().get(&accepted.listener).cloned();
        // A client that came in the moment its channel was closed.
        let Some(channel) = channel else { return turn_away(accepted.fd) };
        let serving = session::serve(worker.shard.clone(), self.clone(), channel, accepted);
        tokio::task::spawn_local(serving);
    }

    fn message(self: &Rc<Self>, worker: &Rc<Worker>, message: ConnectorMessage) {
        match message {
            ConnectorMessage::Identity { identity, renew } => self.each_channel(|channel| {
                if channel.identity().owner.number == identity.owner.number {
                    channel.belongs_to(identity.clone());
                    if renew {
                        channel.renew(&worker.shard);
                    }
                }
            }),
            ConnectorMessage::Settings(settings) => {
                worker.shard.set_memory(settings.memory_bytes_max);
                let rerouted = settings.outbound != self.settings().outbound;
                *self.settings.borrow_mut() = Rc::new(*settings);
                if rerouted {
                    self.each_channel(|channel| channel.renew(&worker.shard));
                }
            }
            ConnectorMessage::Channel(post) => {
                self.install(worker, *post);
                // Its tunnels need not wait for the next tick.
                self.tick(worker, Instant::now());
            }
            ConnectorMessage::Close(number) => {
                if let Some(channel) = self.channels.borrow_mut().remove(&number) {
                    channel.close(&worker.shard, None);
                }
            }
        }
    }

    fn tick(self: &Rc<Self>, worker: &Rc<Worker>, now: Instant) {
        for (kind, suppressed) in self.repeats.borrow_mut().finished(now) {
            tracing::warn!(target: "causeway::refused", kind, suppressed, "lines were left out");
        }
        if worker.is_draining() {
            return;
        }
        self.each_channel(|channel| channel.upkeep(&worker.shard, self, now));
    }
}

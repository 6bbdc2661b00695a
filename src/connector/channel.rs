//! One service channel on one worker: how its tunnels are kept, and when to try again.

use std::{
    cell::{Cell, RefCell},
    net::IpAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    dial::{Tunnel, TunnelError, open_tunnel},
    multiplexed::Multiplexed,
    owner::Identity,
    role::ConnectorRole,
    status::{ChannelStatus, Part},
    warm::Warm,
};
use crate::{
    config::{ChannelConfig, Mode},
    engine::Socket,
    limits,
    mapping::Pace,
    relay::{Aim, Shard},
    telemetry::{Count, Group, audit::Event},
    tunnel::Backoff,
};

/// A channel as one worker sees it.
pub(super) struct Channel {
    identity: RefCell<Arc<Identity>>,
    pub(super) config: ChannelConfig,
    pub(super) status: Arc<ChannelStatus>,
    pub(super) pace: Arc<Pace>,
    pub(super) tunnels: Tunnels,
    /// What its streams are for, for lists.
    aim: RefCell<Rc<Aim>>,
    backoff: RefCell<Backoff>,
    retry_at: Cell<Option<Instant>>,
    /// Whether the proxy was lost and nobody has reached it since.
    lost: Cell<bool>,
    dialling: Cell<usize>,
    /// Counts certificate changes: a tunnel dialled before one is not kept.
    era: Cell<u64>,
    /// Tunnels it keeps ready.
    wanted: usize,
    /// It is no more, or another one took its place: it opens no tunnel.
    closed: Cell<bool>,
    /// What took its place.
    successor: RefCell<Option<Rc<Self>>>,
}

/// How the channel's streams ride.
pub(super) enum Tunnels {
    /// Each on a tunnel of its own, some of which are kept warm.
    Direct(Warm),
    /// All on a few tunnels.
    Multiplexed(Multiplexed),
}

fn aim_of(config: &ChannelConfig, identity: &Identity) -> Aim {
    Aim {
        subaccount: identity.owner.subaccount.clone(),
        location: Some(identity.owner.location.clone()),
        service: Some(config.endpoint.service.clone()),
    }
}

impl Channel {
    /// A channel that keeps `tunnels` ready on this worker.
    pub(super) fn new(
        identity: Arc<Identity>,
        config: ChannelConfig,
        (status, pace): (Arc<ChannelStatus>, Arc<Pace>),
        tunnels: usize,
    ) -> Self {
        status.want(tunnels);
        let aim = RefCell::new(Rc::new(aim_of(&config, &identity)));
        let kept = match config.mode {
            Mode::Direct => Tunnels::Direct(Warm::new(tunnels)),
            Mode::Multiplexed => Tunnels::Multiplexed(Multiplexed::new(tunnels)),
        };
        Self {
            identity: identity.into(),
            config,
            status,
            pace,
            tunnels: kept,
            aim,
            backoff: RefCell::default(),
            retry_at: Cell::default(),
            lost: Cell::default(),
            dialling: Cell::default(),
            era: Cell::default(),
            wanted: tunnels,
            closed: Cell::default(),
            successor: RefCell::default(),
        }
    }

    /// Retires old and dead tunnels and starts as many dials as are missing.
    pub(super) fn upkeep(
        self: &Rc<Self>,
        shard: &Rc<Shard>,
        role: &Rc<ConnectorRole>,
        now: Instant,
    ) {
        let missing = match &self.tunnels {
            Tunnels::Direct(warm) => warm.upkeep(&self.status, shard, now),
            Tunnels::Multiplexed(fleet) => {
                let (missing, lost) = fleet.upkeep(&self.status, now);
                if lost && !self.lost.replace(true) {
                    // All the proxy's other connectors have lost it at this same moment.
                    let delay = Backoff::default().failed(fastrand::u64(..));
                    self.retry_at.set(Some(now + delay));
                }
                missing
            }
        };
        if self.retry_at.get().is_some_and(|at| now < at) {
            return;
        }
        // After a failure one dial tries the way before the others follow, and not in step with
        // those of the other channels, which look at their clocks at the same ticks.
        let careful = self.lost.get() || self.backoff.borrow().failures() > 0;
        let (dials, delay) = match careful {
            true if self.dialling.get() > 0 => return,
            true => (missing.min(1), limits::TICK.mul_f64(fastrand::f64())),
            false => (missing, Duration::ZERO),
        };
        for _ in 0..dials {
            match &self.tunnels {
                Tunnels::Direct(warm) => warm.dial_started(),
                Tunnels::Multiplexed(fleet) => fleet.dial_started(),
            }
            let (channel, shard, role) = (self.clone(), shard.clone(), role.clone());
            self.dialling.set(self.dialling.get() + 1);
            tokio::task::spawn_local(async move {
                tokio::time::sleep(delay).await;
                channel.add_tunnel(&shard, &role).await;
                channel.dialling.set(channel.dialling.get() - 1);
            });
        }
    }

    async fn add_tunnel(&self, shard: &Rc<Shard>, role: &Rc<ConnectorRole>) {
        let era = self.era.get();
        let dialled = self.dial(shard, role, |_| true).await;
        let current = self.era.get() == era && !self.closed.get();
        match &self.tunnels {
            Tunnels::Direct(warm) => warm.dial_ended(&self.status, shard, dialled.ok(), current),
            Tunnels::Multiplexed(fleet) => {
                let started = match dialled {
                    Ok(tunnel) => fleet.start(shard, role, tunnel, &self.aim()).await,
                    // The dial has said so itself.
                    Err(_) => return fleet.dial_ended(&self.status, None, current),
                };
                if let Err(error) = &started {
                    self.fails(error);
                }
                fleet.dial_ended(&self.status, started.ok(), current);
            }
        }
        if self.closed.get() {
            self.retire(shard);
        }
    }

    /// Opens a tunnel now and notes how that went.
    pub(super) async fn dial(
        &self,
        shard: &Shard,
        role: &ConnectorRole,
        attempt: impl FnMut(&Socket) -> bool,
    ) -> Result<Tunnel, TunnelError> {
        let identity = self.identity();
        let tls = match self.config.mode {
            Mode::Direct => &identity.tls.direct,
            Mode::Multiplexed => &identity.tls.multiplexed,
        };
        let settings = role.settings();
        let (timeout, endpoint) = (settings.dial_timeout, &self.config.endpoint);
        let way = (endpoint, settings.outbound.as_ref());
        let group = self.group(shard);
        let dialled = open_tunnel((shard, &group), way, tls, timeout, attempt).await;
        shard.counters.openings().note(dialled.is_ok());
        group.dialled(dialled.as_ref().map_or_else(TunnelError::result, |_| "ok"));
        match &dialled {
            Ok(tunnel) => {
                self.reached();
                self.record_opened(shard, &identity, tunnel);
            }
            Err(error) => {
                shard.count(Count::TunnelDialsFailed);
                if error.is_timeout() {
                    shard.tenant(&identity.owner.subaccount).opening_timed_out();
                }
                self.fails(error);
                shard.audit.record(|| Event::TunnelFailed {
                    peer: None,
                    subaccount: identity.owner.subaccount.clone(),
                    serial: identity.tls.serial.to_string(),
                    reason: error.reason(),
                    detail: format!("{endpoint}: {error}"),
                });
            }
        }
        dialled
    }

    fn record_opened(&self, shard: &Shard, identity: &Identity, tunnel: &Tunnel) {
        shard.audit.record(|| Event::TunnelOpened {
            tunnel: tunnel.link.id(),
            peer: tunnel.address,
            subaccount: identity.owner.subaccount.clone(),
            location: Some(identity.owner.location.clone()),
            serial: identity.tls.serial.to_string(),
            protocol: match self.config.mode {
                Mode::Direct => "http/1.1",
                Mode::Multiplexed => "h2",
            },
        });
    }

    /// Whether it takes connections from there.
    pub(super) fn allows(&self, source: IpAddr) -> bool {
        let allowed = &self.config.allowed_sources;
        allowed.is_empty() || allowed.iter().any(|network| network.contains(source))
    }

    /// What its streams are for, for lists.
    pub(super) fn aim(&self) -> Rc<Aim> {
        self.aim.borrow().clone()
    }

    /// Whose it is, and what its tunnels are opened with.
    pub(super) fn identity(&self) -> Arc<Identity> {
        self.identity.borrow().clone()
    }

    /// Its owner has another name or other certificates from now on.
    pub(super) fn belongs_to(&self, identity: Arc<Identity>) {
        *self.aim.borrow_mut() = Rc::new(aim_of(&self.config, &identity));
        *self.identity.borrow_mut() = identity;
    }

    /// Where the channel's figures are kept: by the service it leads to.
    pub(super) fn group(&self, shard: &Shard) -> Rc<Group> {
        shard.group(&self.identity.borrow().owner.subaccount, &self.config.endpoint.service)
    }

    /// The proxy answered: the series of failures is over.
    fn reached(&self) {
        self.backoff.borrow_mut().succeeded();
        self.retry_at.set(None);
        self.lost.set(false);
        if self.status.set_problem(Part::Way, None) {
            tracing::info!(endpoint = %self.config.endpoint, "channel connected");
        }
    }

    /// A stream opened: nothing is wrong with the channel any more.
    pub(super) fn works(&self) {
        self.reached();
        if self.status.set_problem(Part::Service, None) {
            tracing::info!(endpoint = %self.config.endpoint, "the service answers again");
        }
    }

    fn fails(&self, error: &TunnelError) {
        let delay = self.backoff.borrow_mut().failed(fastrand::u64(..));
        self.retry_at.set(Some(Instant::now() + delay));
        if self.status.set_problem(Part::Way, Some(error.to_string())) {
            tracing::warn!(
                endpoint = %self.config.endpoint, %error, retry_in_ms = delay.as_millis() as u64,
                "channel not connected"
            );
        }
    }

    /// The channel is no more: its tunnels end when their streams have, and no more are opened.
    /// Clients that have no stream yet go to its successor, if there is one.
    pub(super) fn close(&self, shard: &Rc<Shard>, successor: Option<Rc<Self>>) {
        *self.successor.borrow_mut() = successor;
        self.closed.set(true);
        self.status.unwant(self.wanted);
        self.retire(shard);
    }

    /// What took the channel's place.
    pub(super) fn successor(&self) -> Option<Rc<Self>> {
        self.successor.borrow().clone()
    }

    fn retire(&self, shard: &Rc<Shard>) {
        match &self.tunnels {
            Tunnels::Direct(warm) => warm.renew(&self.status, shard),
            Tunnels::Multiplexed(fleet) => fleet.retire(&self.status),
        }
    }

    /// New certificates are in use: tunnels opened with the old ones take no more streams, as
    /// soon as there are others.
    pub(super) fn renew(&self, shard: &Rc<Shard>) {
        self.era.set(self.era.get() + 1);
        match &self.tunnels {
            Tunnels::Direct(warm) => warm.renew(&self.status, shard),
            Tunnels::Multiplexed(fleet) => fleet.renew(),
        }
        self.retry_at.set(None);
    }
}

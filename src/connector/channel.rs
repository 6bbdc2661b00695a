//! One service channel on one worker: how its tunnels are kept, and when to try again.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    dial::{Tunnel, TunnelError, open_tunnel},
    multiplexed::Multiplexed,
    role::ConnectorRole,
    status::{ChannelStatus, Part},
    warm::Warm,
};
use crate::{
    config::{ChannelConfig, Mode},
    engine::Socket,
    limits,
    relay::{Aim, Shard},
    telemetry::{Count, Group},
    tunnel::Backoff,
};

/// A channel as one worker sees it.
pub(super) struct Channel {
    pub(super) config: ChannelConfig,
    pub(super) status: Arc<ChannelStatus>,
    pub(super) tunnels: Tunnels,
    /// What its streams are for, for lists.
    pub(super) aim: Rc<Aim>,
    backoff: RefCell<Backoff>,
    retry_at: Cell<Option<Instant>>,
    /// Whether the proxy was lost and nobody has reached it since.
    lost: Cell<bool>,
    dialling: Cell<usize>,
    /// Counts certificate changes: a tunnel dialled before one is not kept.
    era: Cell<u64>,
}

/// How the channel's streams ride.
pub(super) enum Tunnels {
    /// Each on a tunnel of its own, some of which are kept warm.
    Direct(Warm),
    /// All on a few tunnels.
    Multiplexed(Multiplexed),
}

impl Channel {
    /// A channel of `subaccount` at `location` that keeps `tunnels` ready on this worker.
    pub(super) fn new(
        config: ChannelConfig,
        status: Arc<ChannelStatus>,
        tunnels: usize,
        (subaccount, location): (&str, &str),
    ) -> Self {
        status.want(tunnels);
        let aim = Rc::new(Aim {
            subaccount: subaccount.to_owned(),
            location: Some(location.to_owned()),
            service: Some(config.endpoint.service.clone()),
        });
        let kept = match config.mode {
            Mode::Direct => Tunnels::Direct(Warm::new(tunnels)),
            Mode::Multiplexed => Tunnels::Multiplexed(Multiplexed::new(tunnels)),
        };
        Self {
            config,
            status,
            tunnels: kept,
            aim,
            backoff: RefCell::default(),
            retry_at: Cell::default(),
            lost: Cell::default(),
            dialling: Cell::default(),
            era: Cell::default(),
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
        let current = self.era.get() == era;
        match &self.tunnels {
            Tunnels::Direct(warm) => warm.dial_ended(&self.status, shard, dialled.ok(), current),
            Tunnels::Multiplexed(fleet) => {
                let started = match dialled {
                    Ok(tunnel) => fleet.start(shard, role, tunnel, &self.aim).await,
                    // The dial has said so itself.
                    Err(_) => return fleet.dial_ended(&self.status, None, current),
                };
                if let Err(error) = &started {
                    self.fails(error);
                }
                fleet.dial_ended(&self.status, started.ok(), current);
            }
        }
    }

    /// Opens a tunnel now and notes how that went.
    pub(super) async fn dial(
        &self,
        shard: &Shard,
        role: &ConnectorRole,
        attempt: impl FnMut(&Socket) -> bool,
    ) -> Result<Tunnel, TunnelError> {
        let tls = {
            let both = role.tls.borrow();
            match self.config.mode {
                Mode::Direct => both.direct.clone(),
                Mode::Multiplexed => both.multiplexed.clone(),
            }
        };
        let group = self.group(shard, role);
        let outbound = role.outbound.as_ref();
        let way = (&self.config.endpoint, outbound);
        let dialled = open_tunnel((shard, &group), way, &tls, role.dial_timeout, attempt).await;
        shard.counters.openings().note(dialled.is_ok());
        group.dialled(dialled.as_ref().map_or_else(TunnelError::reason, |_| "ok"));
        match &dialled {
            Ok(_) => self.reached(),
            Err(error) => {
                shard.count(Count::TunnelDialsFailed);
                if error.is_timeout() {
                    shard.tenant(&role.subaccount).opening_timed_out();
                }
                self.fails(error);
            }
        }
        dialled
    }

    /// Where the channel's figures are kept: by the service it leads to.
    pub(super) fn group(&self, shard: &Shard, role: &ConnectorRole) -> Rc<Group> {
        shard.group(&role.subaccount, &self.config.endpoint.service)
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

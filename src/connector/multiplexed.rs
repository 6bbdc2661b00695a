//! The tunnels of a channel in mode `multiplexed` on one worker.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::{
    dial::{Tunnel, TunnelError},
    role::ConnectorRole,
    status::ChannelStatus,
};
use crate::{
    engine::Tuning,
    limits,
    protocol::http2::Windows,
    relay::{Aim, ClientTunnel, Live, Shard},
    telemetry::Count,
    tls::Alpn,
    tunnel::{Fleet, Phase},
};

/// The tunnels that carry the channel's streams.
pub(super) struct Multiplexed {
    fleet: RefCell<Fleet<ClientTunnel>>,
    /// As many as the status was told of.
    reported: Cell<usize>,
    /// A tunnel came up, or one has room again.
    room: Rc<Notify>,
    /// No more tunnels are opened.
    retired: Cell<bool>,
}

impl Multiplexed {
    pub(super) fn new(wanted: usize) -> Self {
        Self {
            fleet: RefCell::new(Fleet::new(wanted)),
            reported: Cell::new(0),
            room: Rc::default(),
            retired: Cell::new(false),
        }
    }

    /// The tunnel for a new stream; waits for one while there is none with room. `None` after
    /// `timeout`, or once none will come any more.
    pub(super) async fn place(&self, timeout: Duration) -> Option<ClientTunnel> {
        let waiting = async {
            loop {
                let room = self.room.notified();
                let placed = self.fleet.borrow().place();
                if placed.is_some() || self.retired.get() {
                    return placed;
                }
                room.await;
            }
        };
        tokio::time::timeout(timeout, waiting).await.ok().flatten()
    }

    /// Retires tunnels whose replacement is up; says how many are missing, and whether any was
    /// lost since the last report.
    pub(super) fn upkeep(&self, status: &ChannelStatus, now: Instant) -> (usize, bool) {
        for tunnel in self.fleet.borrow_mut().upkeep(now) {
            tunnel.retire();
        }
        let before = self.reported.get();
        self.report(status);
        (self.fleet.borrow().missing(now), self.reported.get() < before)
    }

    pub(super) fn dial_started(&self) {
        self.fleet.borrow_mut().dial_started();
    }

    /// A dial ended; a tunnel that is not `current` was opened with old certificates.
    pub(super) fn dial_ended(
        &self,
        status: &ChannelStatus,
        tunnel: Option<ClientTunnel>,
        current: bool,
    ) {
        let now = Instant::now();
        self.fleet.borrow_mut().dial_ended(tunnel, fastrand::f64(), now);
        if !current {
            self.fleet.borrow_mut().renew(now);
        }
        self.report(status);
        self.room.notify_waiters();
    }

    /// Speaks HTTP/2 on a fresh tunnel and keeps it running in the background.
    pub(super) async fn start(
        &self,
        shard: &Rc<Shard>,
        role: &ConnectorRole,
        tunnel: Tunnel,
        aim: &Rc<Aim>,
    ) -> Result<ClientTunnel, TunnelError> {
        let Tunnel { link, inbound, address } = tunnel;
        if link.with_session(|session| session.alpn()) != Alpn::H2 {
            link.socket().shutdown();
            return Err(TunnelError::NotMultiplexed);
        }
        // A tunnel that is gone already shows at its first use.
        let _ = link.socket().tune(&Tuning::tunnel());
        let live = Rc::new(Live::new(role.settings().timeouts, Instant::now()));
        live.set_peer(address);
        live.set_aim(aim.clone());
        let room =
            shard.loans.lend_window().and_then(|loan| Some((loan, shard.admit(&live).ok()?)));
        let Some((loan, key)) = room else {
            shard.count(Count::Refused("overloaded"));
            return Err(TunnelError::Overloaded);
        };
        let windows = Windows {
            stream: limits::STREAM_WINDOW_BYTES_MIN,
            connection: u32::try_from(loan.bytes()).unwrap_or(limits::TUNNEL_WINDOW_BYTES_MAX),
        };
        let present = shard.tenant(&aim.subaccount).tunnel(windows.connection.into());
        let present = (present, loan);
        let ended = {
            let shard = shard.clone();
            move || {
                drop(present);
                shard.dismiss(key);
            }
        };
        let room = self.room.clone();
        let started =
            ClientTunnel::start(shard.clone(), link, inbound, (windows, address), room, ended)
                .await;
        match started {
            Ok(tunnel) => {
                live.set_tunnel(tunnel.clone());
                tunnel.tunnel().set_key(key);
                live.enter(Phase::Carrying, Instant::now());
                Ok(tunnel)
            }
            Err(error) => {
                shard.dismiss(key);
                Err(TunnelError::Http2(error.to_string()))
            }
        }
    }

    /// Every tunnel is to be replaced.
    pub(super) fn renew(&self) {
        self.fleet.borrow_mut().renew(Instant::now());
    }

    /// Every tunnel ends when its streams have, and no more come.
    pub(super) fn retire(&self, status: &ChannelStatus) {
        self.retired.set(true);
        self.room.notify_waiters();
        self.fleet.borrow().iter().for_each(ClientTunnel::retire);
        self.report(status);
    }

    fn report(&self, status: &ChannelStatus) {
        let fleet = self.fleet.borrow();
        let healthy = fleet.healthy().min(fleet.configured());
        status.ready_changed(self.reported.replace(healthy), healthy);
    }
}

//! A tunnel in mode `multiplexed`: its streams come and go while it stays.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Instant,
};

use super::{session::Tunnel, visit::Visit};
use crate::{
    limits,
    protocol::{
        Refusal, Request,
        http2::{Bucket, Flood, Windows},
    },
    relay::{Aim, Arrival, Live, TunnelSide, serve},
    telemetry::{Count, Metric},
    tls::Identity,
    tunnel::{Ending, Key, Phase},
};

/// Serves a tunnel until it ends.
pub(super) async fn carry_streams(
    visit: Visit,
    tunnel: Tunnel,
    key: Key,
    mut caller: Result<Identity, Refusal>,
) {
    let settings = visit.role.settings();
    // A subaccount that no mapping names is known by no table; the budgets bound its tunnels.
    let usage = caller.as_ref().ok().and_then(|who| visit.role.usage_of(&who.subaccount));
    let permit = usage.as_ref().map(|usage| usage.try_tunnel());
    let window = match &caller {
        Ok(identity) => visit.role.budgets.borrow_mut().lend(&identity.subaccount),
        Err(_) => None,
    };
    let has_room = window.is_some() && !matches!(permit, Some(None));
    let mut limited = None;
    // Whoever is nobody does not say whether tunnels open.
    if caller.is_ok() {
        visit.shard.counters.openings().note(has_room);
    }
    if caller.is_ok() && !has_room {
        let refusal = Refusal::TenantLimit("tunnels");
        limited = std::mem::replace(&mut caller, Err(refusal.clone())).ok();
        visit.note_tunnel_refused(&refusal, limited.as_ref());
    } else {
        visit.note_tunnel("h2", &caller);
    }
    let _present = caller.as_ref().ok().zip(window.as_ref()).map(|(identity, window)| {
        visit.shard.tenant(&identity.subaccount).tunnel(window.bytes().into())
    });
    let windows = Windows {
        stream: limits::STREAM_WINDOW_BYTES_MIN,
        connection: window.as_ref().map_or(limits::TUNNEL_WINDOW_BYTES_MIN, |w| w.bytes()),
    };
    let streams_max = settings.streams_per_tunnel_max;
    let host = Rc::new(Host {
        caller,
        limited,
        resets: RefCell::new(Bucket::new(limits::PREMATURE_RESET_RATE, Instant::now())),
        visit,
        key,
        tunnel: RefCell::default(),
        up: Cell::new(false),
    });
    let shard = host.visit.shard.clone();
    let served = serve(
        &shard,
        tunnel.link,
        tunnel.inbound,
        (windows, streams_max),
        |tunnel| host.came_up(tunnel),
        |arrival| {
            tokio::task::spawn_local(host.clone().attend(arrival));
        },
    )
    .await;
    if let Some(reason) = served.fault() {
        host.visit.count_refusal(reason, host.identity(), None);
        let peer = host.visit.peer;
        host.visit.role.doorkeeper.borrow_mut().offended(peer.ip(), Instant::now());
        host.visit.say_tunnel_ended(reason, host.identity());
    }
    host.tunnel.borrow_mut().take();
    drop(permit);
}

/// What the streams of one tunnel share.
struct Host {
    visit: Visit,
    /// The tunnel's session.
    key: Key,
    caller: Result<Identity, Refusal>,
    /// Whose it is, where it is refused for a limit of that subaccount.
    limited: Option<Identity>,
    /// Streams given up before they were answered.
    resets: RefCell<Bucket>,
    tunnel: RefCell<Option<Rc<crate::relay::Tunnel>>>,
    up: Cell<bool>,
}

/// An arrival while its service is dialled: taken by whoever answers it first.
#[derive(Clone)]
struct Pending(Rc<RefCell<Option<Arrival>>>);

impl TunnelSide for Pending {
    fn cut(&self) {
        self.0.borrow_mut().take();
    }

    fn hung_up(&self) -> bool {
        self.0.borrow_mut().as_mut().is_some_and(Arrival::is_gone)
    }

    fn carrier(&self) -> Option<Key> {
        self.0.borrow().as_ref().and_then(Arrival::carrier)
    }
}

/// What a list shows a tunnel of `caller` to be for.
fn tunnel_aim(caller: &Identity) -> Aim {
    Aim { subaccount: caller.subaccount.clone(), location: caller.location.clone(), service: None }
}

impl Host {
    /// Whose tunnel it is, refused or not, where that is known.
    fn identity(&self) -> Option<&Identity> {
        self.caller.as_ref().ok().or(self.limited.as_ref())
    }

    fn came_up(&self, tunnel: &Rc<crate::relay::Tunnel>) {
        let live = &self.visit.live;
        live.set_tunnel(tunnel.clone());
        tunnel.set_key(self.key);
        if let Ok(caller) = &self.caller {
            live.set_aim(Rc::new(tunnel_aim(caller)));
        }
        *self.tunnel.borrow_mut() = Some(tunnel.clone());
        // A peer that is nobody gets its refusals and no more time than a request's.
        let phase = if self.caller.is_ok() { Phase::Carrying } else { Phase::Head };
        live.enter(phase, Instant::now());
        if self.visit.worker.is_draining() {
            tunnel.drain();
        }
        self.up.set(true);
    }

    /// Serves one stream. While the worker drains, too: between the two GOAWAYs requests are still
    /// on their way, and the first one promised to serve them (RFC 9113 §6.8).
    async fn attend(self: Rc<Self>, mut arrival: Arrival) {
        let tunnel = &self.visit;
        tunnel.shard.sample(Metric::QueueWait, arrival.arrived_at.elapsed());
        let live = Rc::new(Live::new(tunnel.role.settings().timeouts, Instant::now()));
        live.enter(Phase::Dialling, Instant::now());
        live.set_peer(tunnel.peer);
        let visit = Visit {
            worker: tunnel.worker.clone(),
            role: tunnel.role.clone(),
            shard: tunnel.shard.clone(),
            live: live.clone(),
            carrier: Some(tunnel.live.clone()),
            peer: tunnel.peer,
            tunnel: tunnel.tunnel,
        };
        let key = match visit.shard.admit(&live) {
            Ok(key) => key,
            Err(what) => {
                let refusal = Refusal::Overloaded(what);
                visit.note_refusal(&refusal, self.identity(), None);
                return arrival.refuse(&refusal);
            }
        };
        let request = std::mem::replace(&mut arrival.request, Err(Refusal::Draining));
        match (&self.caller, request) {
            (Err(refusal), _) => {
                visit.note_refusal(refusal, self.identity(), None);
                arrival.refuse(refusal);
            }
            (Ok(identity), Err(refusal)) => {
                visit.note_refusal(&refusal, Some(identity), None);
                arrival.refuse(&refusal);
            }
            (Ok(identity), Ok(Request::Healthcheck)) if visit.worker.is_draining() => {
                visit.note_refusal(&Refusal::Draining, Some(identity), None);
                arrival.refuse(&Refusal::Draining);
            }
            (Ok(_), Ok(Request::Healthcheck)) => {
                visit.shard.count(Count::Healthchecks);
                arrival.healthy();
            }
            (Ok(identity), Ok(Request::Connect(request))) => {
                self.stream(&visit, arrival, &request, identity).await;
            }
        }
        visit.shard.dismiss(key);
    }

    async fn stream(
        &self,
        visit: &Visit,
        mut arrival: Arrival,
        request: &crate::protocol::ConnectRequest,
        identity: &Identity,
    ) {
        if arrival.is_gone() {
            // Reset in the same breath, by its peer or by us for what the peer did: no dial.
            visit.note_unserved(Ending::ClientAborted.reason(), Some(identity), Some(request));
            return self.given_up(visit);
        }
        let pending = Pending(Rc::new(RefCell::new(Some(arrival))));
        visit.live.set_tunnel(pending.clone());
        let dialled = Box::pin(visit.dial(request, identity)).await;
        let Some(mut arrival) = pending.0.borrow_mut().take() else {
            return self.given_up(visit);
        };
        let dialled = match dialled {
            Ok(dialled) => dialled,
            Err(None) => return self.given_up(visit),
            Err(Some(refusal)) => {
                visit.note_refusal(&refusal, Some(identity), Some(request));
                return arrival.refuse(&refusal);
            }
        };
        if arrival.is_gone() {
            visit.note_unserved(Ending::ClientAborted.reason(), Some(identity), Some(request));
            return self.given_up(visit);
        }
        if let Some((source, sink)) = arrival.establish() {
            visit.live.set_tunnel(sink.clone());
            visit.relay(dialled, (request, identity), (source, sink), None).await;
        }
    }

    /// A stream was reset before it was answered: cheap for the peer, a dial for us
    /// (CVE-2023-44487), so there is a budget for it.
    fn given_up(&self, visit: &Visit) {
        if visit.live.failure() == Some(Ending::ClientAborted) || visit.live.failure().is_none() {
            let within = self.resets.borrow_mut().take(Instant::now());
            if !within && let Some(tunnel) = &*self.tunnel.borrow() {
                tunnel.flooded(Flood::PrematureResets);
            }
        }
    }
}

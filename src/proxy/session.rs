//! One tunnel, from its accept to its end; what rides on it in mode `direct`.

use std::{
    net::SocketAddr,
    os::fd::OwnedFd,
    rc::Rc,
    time::{Instant, SystemTime},
};

use super::{
    hold::hold,
    request::{Asked, Demand, caller_of, read_request},
    role::ProxyRole,
    streams::carry_streams,
    visit::{Dialled, Visit},
};
use crate::{
    engine::{Buffer, Socket, Tuning},
    protocol::{ConnectRequest, Refusal, http1},
    relay::{DirectSource, Inbound, Link, LinkError, Live, Shard, linger},
    telemetry::{Count, Metric, audit::Event},
    tls::{Alpn, Identity},
    tunnel::{Ending, Phase},
    worker::{Accepted, Worker},
};

/// A tunnel whose handshake is done.
pub(super) struct Tunnel {
    pub(super) link: Rc<Link>,
    pub(super) inbound: Inbound,
}

/// Serves one accepted connection, from its turn on. Every path out of it gives back what it took.
pub(super) async fn serve(
    worker: Rc<Worker>,
    role: Rc<ProxyRole>,
    accepted: Accepted,
    turn: Instant,
) {
    let Accepted { fd, peer, at, .. } = accepted;
    let shard = worker.shard.clone();
    let settings = role.settings();
    let live = Rc::new(Live::new(settings.timeouts, Instant::now()));
    let Ok(key) = shard.admit(&live) else {
        // No handshake for a connection that cannot be served: closing is the cheapest answer.
        shard.count(Count::Refused("overloaded"));
        return;
    };
    live.set_peer(peer);
    // The stages are boxed so that a relaying session does not carry the room of the earlier ones.
    if Instant::now() < turn && !Box::pin(hold(&shard, &live, turn)).await {
        return shard.dismiss(key);
    }
    shard.sample(Metric::QueueWait, at.elapsed());
    if let Some(mut tunnel) = Box::pin(shake_hands(&shard, &role, &live, (fd, peer))).await {
        if live.is_authenticated() {
            role.doorkeeper.borrow_mut().knows(peer.ip());
        }
        live.enter(Phase::Waiting, Instant::now());
        let settings = role.settings();
        let caller = caller_of(&settings, &tunnel.link);
        let visit = Visit {
            worker,
            role,
            shard: shard.clone(),
            carrier: Some(live.clone()),
            live,
            peer,
            tunnel: tunnel.link.id(),
        };
        match tunnel.link.with_session(|session| session.alpn()) {
            Alpn::H2 => {
                // A tunnel that is gone already shows at its first use.
                let _ = tunnel.link.socket().tune(&Tuning::tunnel());
                Box::pin(carry_streams(visit, tunnel, key, caller)).await;
            }
            Alpn::Http1 => {
                visit.note_tunnel("http/1.1", &caller);
                let Tunnel { link, inbound } = &mut tunnel;
                let caller = (caller, &*settings, visit.peer.ip());
                let asked = read_request(&shard.pool, caller, &visit.live, link, inbound);
                let asked = Box::pin(asked).await;
                answer(&visit, tunnel, asked).await;
            }
        }
    }
    shard.dismiss(key);
}

async fn shake_hands(
    shard: &Rc<Shard>,
    role: &ProxyRole,
    live: &Rc<Live>,
    (fd, peer): (OwnedFd, SocketAddr),
) -> Option<Tunnel> {
    let Some(_permit) = shard.handshake_permit() else {
        shard.count(Count::Refused("overloaded"));
        return None;
    };
    let started = Instant::now();
    let adopted = Socket::adopt(&shard.driver, fd);
    if let Err(error) = &adopted {
        shard.shed("socket", error);
    }
    let socket = adopted.ok()?;
    socket.tune(&Tuning::default()).ok()?;
    let era = role.tls_era.get();
    let session = role.tls.borrow().accept().ok()?;
    let link = Rc::new(Link::new(shard.name_tunnel(), socket, session));
    live.set_tunnel(link.clone());
    let shaken = link.handshake(&shard.pool).await;
    match shaken.and_then(|inbound| still_welcome(role, era, &link).map(|()| inbound)) {
        Ok(inbound) => {
            shard.sample(Metric::TlsHandshake, started.elapsed());
            shard.count(Count::HandshakesOk);
            if link.with_session(|session| session.peer_certificates().is_some()) {
                live.set_authenticated();
            }
            Some(Tunnel { link, inbound })
        }
        Err(error) => {
            let reason = match live.failure() {
                Some(Ending::PhaseTimeout) => "timeout",
                Some(Ending::CertificateRevoked) => "certificate_revoked",
                _ => error.reason(),
            };
            shard.count(Count::HandshakesFailed(reason));
            tracing::debug!(%error, reason, "TLS handshake failed");
            // Who connects and leaves (a load balancer that looks whether we listen) has tried
            // nothing.
            if reason != "closed" {
                shard.audit.record(|| Event::TunnelFailed {
                    peer: Some(peer),
                    subaccount: String::new(),
                    serial: String::new(),
                    reason,
                    detail: error.to_string(),
                });
            }
            let mut inbound = Inbound::starting_with(None);
            // The alert that says why must arrive before the connection closes.
            linger(shard, live, &link, &mut inbound).await;
            None
        }
    }
}

/// A handshake that began under certificates that have been replaced since was judged by those:
/// nobody may keep one open until a revocation is forgotten.
fn still_welcome(role: &ProxyRole, era: u64, link: &Link) -> Result<(), LinkError> {
    if role.tls_era.get() == era {
        return Ok(());
    }
    link.with_session(|session| match session.peer_certificates() {
        Some(chain) => role.tls.borrow().verify_client(chain, SystemTime::now()),
        None => Ok(()),
    })?;
    Ok(())
}

/// Answers the one request of a tunnel in mode `direct`.
async fn answer(visit: &Visit, mut tunnel: Tunnel, asked: Asked) {
    let refusal = match asked {
        Asked::Nothing => {
            if visit.live.failure() == Some(Ending::PhaseTimeout) {
                visit.shard.count(Count::Refused("request_timeout"));
            }
            return;
        }
        Asked::Health if visit.worker.is_draining() => Refusal::Draining,
        Asked::Health => {
            visit.shard.count(Count::Healthchecks);
            return say_goodbye(visit, &mut tunnel, http1::write_healthy).await;
        }
        Asked::Refused(refusal, identity) => {
            visit.note_refusal(&refusal, identity.as_ref(), None);
            refusal
        }
        Asked::Stream(demand) if visit.worker.is_draining() => {
            let Demand { request, identity, .. } = *demand;
            let refusal = Refusal::Draining;
            visit.note_refusal(&refusal, Some(&identity), Some(&request));
            refusal
        }
        Asked::Stream(demand) => {
            let Demand { request, identity, early } = *demand;
            let _present = visit.shard.tenant(&identity.subaccount).tunnel(0);
            visit.shard.counters.openings().note(true);
            match Box::pin(visit.dial(&request, &identity)).await {
                Ok(dialled) => {
                    return carry(visit, tunnel, dialled, (&request, &identity), early).await;
                }
                Err(None) => return,
                Err(Some(refusal)) => {
                    visit.note_refusal(&refusal, Some(&identity), Some(&request));
                    refusal
                }
            }
        }
    };
    say_goodbye(visit, &mut tunnel, |out| http1::write_refusal(&refusal, out)).await;
}

async fn carry(
    visit: &Visit,
    tunnel: Tunnel,
    dialled: Dialled,
    who: (&ConnectRequest, &Identity),
    early: Option<Buffer>,
) {
    let mut answer = Vec::new();
    http1::write_established(&mut answer);
    if tunnel.link.send(&visit.shard.pool, &answer).await.is_err() {
        return;
    }
    let Tunnel { link, inbound } = tunnel;
    let source = DirectSource { link: link.clone(), inbound };
    visit.relay(dialled, who, (source, link), early).await;
}

async fn say_goodbye(visit: &Visit, tunnel: &mut Tunnel, write: impl FnOnce(&mut Vec<u8>)) {
    let mut answer = Vec::new();
    write(&mut answer);
    let pool = &visit.shard.pool;
    if tunnel.link.send(pool, &answer).await.is_ok() && tunnel.link.finish(pool).await.is_ok() {
        linger(&visit.shard, &visit.live, &tunnel.link, &mut tunnel.inbound).await;
    }
}

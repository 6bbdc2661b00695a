//! The two pumps between a TLS link and an HTTP/2 session's wire.

use std::{cell::Cell, future::poll_fn, io, time::Instant};

use super::Tunnel;
use crate::{
    protocol::http2::{Guard, Outgoing},
    relay::{Inbound, LinkError, Shard},
    telemetry::{Count, Metric},
    tunnel::Pipe,
};

/// Runs `session` over the tunnel's link until it ends, then says goodbye to the peer.
pub(super) async fn drive(
    shard: &Shard,
    tunnel: &Tunnel,
    mut inbound: Inbound,
    (mut guard, mut outgoing): (Guard, Outgoing),
    session: impl Future<Output = ()>,
) {
    // WINDOW_UPDATE frames that what has left allows the peer, not told to the guard yet.
    let updates = Cell::new(0);
    let receiving = pump_in(shard, tunnel, &mut inbound, (&mut guard, &updates));
    let sending = async {
        if pump_out(shard, tunnel, (&mut outgoing, &updates)).await.is_ok() {
            // Everything staged is sent. A peer that is gone needs no farewell.
            let _ = tunnel.link.finish(&shard.pool).await;
        }
        tunnel.link.socket().shutdown();
    };
    let running = async {
        session.await;
        tunnel.set_closed();
    };
    tokio::join!(receiving, sending, running);
}

/// Link → session.
async fn pump_in(
    shard: &Shard,
    tunnel: &Tunnel,
    inbound: &mut Inbound,
    (guard, updates): (&mut Guard, &Cell<u32>),
) {
    let mut pipe = Pipe::new(Instant::now());
    loop {
        match inbound.next(&tunnel.link, &shard.pool, pipe.stride()).await {
            Ok(chunk) => {
                if tunnel.is_closed() {
                    // A shut socket still receives from a peer that keeps sending: nobody would
                    // read that, and it would be kept for ever.
                    return;
                }
                let now = chunk.received_at;
                pipe.moved(chunk.plain.len(), now);
                guard.expect_updates(updates.take());
                let turns = match guard.inspect(chunk.plain.filled(), now) {
                    Ok(turns) => turns,
                    Err(flood) => {
                        tunnel.flooded(flood);
                        // A session that still waits for the preface needs it to say why it ends.
                        return tunnel.wire.deliver(chunk.plain);
                    }
                };
                tunnel.received(chunk.plain.len(), now);
                tunnel.wire.deliver_held(chunk.plain);
                for bytes in turns {
                    tunnel.wire.release(bytes);
                    let_others_in().await;
                }
                tunnel.wire.release(usize::MAX);
                if chunk.closed {
                    return tunnel.wire.end(Ok(()));
                }
            }
            Err(LinkError::Truncated) => {
                return tunnel.wire.end(Err(io::ErrorKind::UnexpectedEof));
            }
            Err(_) => return tunnel.wire.end(Err(io::ErrorKind::ConnectionReset)),
        }
    }
}

/// Lets every other task of the worker run, and the event loop look at its sockets: what one peer
/// packs into a chunk must not delay another's message until it is worked off. A task of its own
/// yields, because this one is woken for other reasons too, and would then go on at once.
pub(super) async fn let_others_in() {
    // A worker that ends cancels it, and then there are no others.
    let _ = tokio::task::spawn_local(tokio::task::yield_now()).await;
}

/// Session → link: whatever has gathered while the last send was under way leaves in the next.
async fn pump_out(
    shard: &Shard,
    tunnel: &Tunnel,
    (outgoing, updates): (&mut Outgoing, &Cell<u32>),
) -> Result<(), LinkError> {
    while let Some(bytes) = poll_fn(|cx| tunnel.wire.poll_output(cx)).await {
        let left = outgoing.inspect(&bytes, Instant::now());
        updates.set(updates.get().saturating_add(left.updates));
        for _ in 0..left.objections {
            shard.count(Count::Refused("provoked_reset"));
        }
        if let Some(flood) = left.flood {
            tunnel.flooded(flood);
        }
        let sent = tunnel.link.send(&shard.pool, &bytes).await;
        if let Some(stall) = tunnel.link.socket().take_stall() {
            shard.sample(Metric::WriteStall, stall);
        }
        if let Err(error) = sent {
            tunnel.wire.close_outbound();
            tunnel.wire.end(Err(io::ErrorKind::ConnectionReset));
            return Err(error);
        }
    }
    Ok(())
}

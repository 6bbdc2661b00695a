//! The last moments of a connection: letting what was sent arrive before it is closed or reset.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use super::{Inbound, Link, Live, Shard};
use crate::{engine::Socket, limits, tunnel::Phase};

/// The kernel tells nobody when its send queue runs empty, so it is asked this often.
const UNSENT_POLL: Duration = Duration::from_millis(2);

/// Resets `socket` once everything sent on it has been acknowledged, so that the peer gets all
/// that came before the abort; at most [`limits::LINGER_TIMEOUT`] later.
pub async fn abort_when_delivered(socket: &Socket) {
    let deadline = Instant::now() + limits::LINGER_TIMEOUT;
    // A connection that is gone still counts bytes that nobody will acknowledge.
    while socket.unsent_bytes() > 0 && !socket.is_gone() && Instant::now() < deadline {
        tokio::time::sleep(UNSENT_POLL).await;
    }
    socket.abort();
}

/// Ends our side of a tunnel and reads the rest of the peer's, so that the peer receives what we
/// sent (a refusal, the last bytes before an abort) instead of a reset.
pub async fn linger(shard: &Shard, live: &Live, link: &Rc<Link>, inbound: &mut Inbound) {
    live.enter(Phase::Lingering, Instant::now());
    if link.socket().shutdown_write().is_ok() {
        // However the peer ends, there is nothing more to do for it.
        let _ = inbound.discard_rest(link, &shard.pool).await;
    }
}

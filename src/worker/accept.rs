//! Accepting connections and spreading them over the workers.

use std::{
    io,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Accepted, Load, Mailbox, Message, Role, Worker};
use crate::{engine::Listener, telemetry::Count};

/// After an accept failed for want of descriptors or memory: long enough not to spin, short
/// enough not to be noticed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A listener of one worker.
pub(super) struct Door {
    /// Its number among all listeners of the process.
    pub(super) number: usize,
    pub(super) listener: Listener,
    /// The workers that serve it: among them its connections are spread.
    pub(super) group: Arc<[usize]>,
}

/// Accepts until the listener is closed. The accept itself is never cancelled: the connection it
/// might have taken would be lost.
pub(super) async fn accept_loop<R: Role>(
    worker: Rc<Worker>,
    role: Rc<R>,
    door: Door,
    mailboxes: Rc<[Mailbox<R::Message>]>,
) {
    loop {
        match door.listener.accept().await {
            Ok((fd, peer)) => {
                let accepted = Accepted { fd, peer, listener: door.number, at: Instant::now() };
                place(&worker, &role, accepted, &door, &mailboxes);
            }
            Err(_) if worker.is_draining() => return,
            Err(error) => {
                worker.shard.count(Count::AcceptShed);
                if !is_passing(&error) {
                    tracing::warn!(%error, "accepting a connection failed; trying again");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// The connection was gone before it was accepted: nothing to wait for.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted)
}

fn place<R: Role>(
    worker: &Rc<Worker>,
    role: &Rc<R>,
    accepted: Accepted,
    door: &Door,
    mailboxes: &[Mailbox<R::Message>],
) {
    worker.shard.count(Count::Accepted);
    worker.publish_load();
    let load: &Load = &worker.load;
    let best = load.best(worker.shard.index, &door.group);
    if best == worker.shard.index {
        load.placed(best);
        return role.accepted(worker, accepted);
    }
    match mailboxes[best].try_send(Message::Adopt(accepted)) {
        Ok(()) => {
            load.placed(best);
            worker.shard.count(Count::HandedOver);
        }
        Err(Message::Adopt(accepted)) => role.accepted(worker, accepted),
        Err(_) => unreachable!("a mailbox gives back what it was given"),
    }
}

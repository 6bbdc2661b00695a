//! Accepting connections and spreading them over the workers.

use std::{
    cell::{Cell, RefCell},
    io,
    os::fd::OwnedFd,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Accepted, Load, Mailbox, Message, Role, Worker};
use crate::{
    engine::{Listener, exhausted},
    telemetry::{Count, Repeats, Verdict},
};

/// After an accept failed for want of descriptors or memory: long enough not to spin, short
/// enough not to be noticed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// One line for each way in which accepts fail, in this time.
const FAILURE_LINES_INTERVAL: Duration = Duration::from_secs(10);

/// A listener of one worker.
pub(super) struct Door {
    /// Its number among all listeners of the process.
    pub(super) number: usize,
    pub(super) listener: Listener,
    /// The workers that serve it: among them its connections are spread.
    pub(super) group: RefCell<Arc<[usize]>>,
    closed: Cell<bool>,
}

impl Door {
    pub(super) fn new(number: usize, fd: OwnedFd, group: Arc<[usize]>) -> io::Result<Rc<Self>> {
        let listener = Listener::adopt(fd)?;
        Ok(Rc::new(Self { number, listener, group: group.into(), closed: Cell::default() }))
    }

    /// Nothing more is accepted.
    pub(super) fn close(&self) {
        self.closed.set(true);
        self.listener.close();
    }
}

/// Accepts until the listener is closed. The accept itself is never cancelled: the connection it
/// might have taken would be lost.
pub(super) async fn accept_loop<R: Role>(
    worker: Rc<Worker>,
    role: Rc<R>,
    door: Rc<Door>,
    mailboxes: Rc<[Mailbox<R::Message>]>,
) {
    let mut repeats = Repeats::new(1, FAILURE_LINES_INTERVAL);
    loop {
        match door.listener.accept().await {
            Ok((fd, peer)) => {
                let accepted = Accepted { fd, peer, listener: door.number, at: Instant::now() };
                place(&worker, &role, accepted, &door, &mailboxes);
            }
            Err(_) if door.closed.get() => return,
            Err(error) => {
                worker.shard.count(Count::AcceptShed);
                worker.shard.shed("accept", &error);
                if is_passing(&error) {
                    continue;
                }
                match repeats.judge(&error.to_string(), Instant::now()) {
                    Verdict::Suppress => worker.shard.count(Count::LogLinesSuppressed),
                    Verdict::Write { suppressed } => {
                        tracing::warn!(%error, suppressed, "a connection cannot be accepted");
                    }
                }
                if !is_turned_away(&error) {
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// The connection was gone before it was accepted: nothing to wait for, nothing to say.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted)
}

/// The connection was accepted and reset, for want of a descriptor: the next one need not wait for
/// the same.
fn is_turned_away(error: &io::Error) -> bool {
    exhausted(error) == Some("descriptors")
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
    let best = load.best(worker.shard.index, &door.group.borrow());
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

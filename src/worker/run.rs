//! The life of one worker thread.

use std::{
    cell::{Cell, RefCell},
    os::fd::OwnedFd,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use crossbeam_channel::Receiver;

use super::{
    Accepted, Load, Mailbox, Message,
    accept::{Door, accept_loop},
    busy::BusyClock,
    look::{kill, look},
};
use crate::{
    engine::{self, BufferPool, Kind, Registration, Runtime, Wake},
    limits,
    relay::{Live, Shard},
    telemetry::{Count, Counters, Gauge, Records},
    tunnel::{Ending, Phase},
};

/// What a worker does with connections and messages: the proxy's or the connector's part.
pub trait Role: 'static {
    /// What control threads tell the role.
    type Message: Send + 'static;

    /// A connection was accepted. Must not block.
    fn accepted(self: &Rc<Self>, worker: &Rc<Worker>, accepted: Accepted);

    /// A control thread has something to say.
    fn message(self: &Rc<Self>, worker: &Rc<Worker>, message: Self::Message);

    /// [`limits::TICK`] has passed. Sessions are ticked already.
    fn tick(self: &Rc<Self>, worker: &Rc<Worker>, now: Instant);
}

/// One worker, as its role sees it.
pub struct Worker {
    /// What its sessions use.
    pub shard: Rc<Shard>,
    pub(super) load: Load,
    draining_since: Cell<Option<Instant>>,
    doors: RefCell<Vec<Rc<Door>>>,
}

impl Worker {
    /// Whether the worker accepts no more.
    pub fn is_draining(&self) -> bool {
        self.draining_since.get().is_some()
    }

    fn has_drained_for(&self, time: Duration, now: Instant) -> bool {
        let since = self.draining_since.get();
        since.is_some_and(|since| now.saturating_duration_since(since) >= time)
    }

    pub(super) fn publish_load(&self) {
        let shard = &self.shard;
        self.load.publish(shard.index, shard.pool.bytes_in_use(), shard.session_count());
    }

    /// Counts what the pool has counted.
    fn publish_pool(&self) {
        let Shard { counters, pool, .. } = &*self.shard;
        let known = counters.count(Count::BuffersShrunk);
        counters.add(Count::BuffersShrunk, pool.shrunk() - known);
    }

    /// Shows the admin side where the sessions stand, a tick old at most.
    fn publish(&self, census: &Census) {
        let counters = &self.shard.counters;
        let (memory, memory_max) = self.shard.memory();
        let draining = if self.is_draining() { census.streams } else { 0 };
        for (gauge, value) in [
            (Gauge::Sessions, census.sessions),
            (Gauge::Streams, census.streams),
            (Gauge::StreamsDraining, draining),
            (Gauge::Handshakes, census.handshakes),
            (Gauge::Dials, census.dials),
            (Gauge::BufferBytes, self.shard.pool.bytes_in_use()),
            (Gauge::MemoryBytes, memory),
            (Gauge::MemoryBytesMax, memory_max.unwrap_or_default()),
            (Gauge::Tunnels, census.tunnels),
            (Gauge::CreditBytes, self.shard.credit_bytes()),
        ] {
            counters.set(gauge, value as u64);
        }
    }

    fn regroup(&self, listener: usize, group: &Arc<[usize]>) {
        for door in self.doors.borrow().iter().filter(|door| door.number == listener) {
            *door.group.borrow_mut() = group.clone();
        }
    }

    fn unlisten(&self, listener: usize) {
        for door in self.doors.borrow_mut().extract_if(.., |door| door.number == listener) {
            door.close();
        }
    }

    fn drain(&self) {
        if self.is_draining() {
            return;
        }
        self.draining_since.set(Some(Instant::now()));
        for door in self.doors.borrow_mut().drain(..) {
            door.close();
        }
        // Connections that wait for a request have a moment: theirs may be on its way, and is
        // answered with why it is refused.
        self.shard.each_session(|live| {
            if matches!(live.phase(), Phase::Held | Phase::Carrying) {
                live.drain();
            }
        });
    }
}

/// How many sessions stand where.
#[derive(Default)]
struct Census {
    sessions: usize,
    streams: usize,
    handshakes: usize,
    dials: usize,
    tunnels: usize,
}

impl Census {
    fn add(&mut self, live: &Live) {
        self.sessions += 1;
        self.tunnels += usize::from(live.is_tunnel());
        match live.phase() {
            Phase::Handshake => self.handshakes += 1,
            Phase::Dialling => self.dials += 1,
            Phase::Relaying => self.streams += 1,
            Phase::Held | Phase::Waiting | Phase::Head | Phase::Opening => {}
            Phase::Carrying | Phase::Lingering => {}
        }
    }
}

/// A listener on its way to a worker.
pub(super) struct Posted {
    pub(super) number: usize,
    pub(super) fd: OwnedFd,
    /// The workers that serve it.
    pub(super) group: Arc<[usize]>,
}

/// What a worker thread is given.
pub(super) struct Post<R: Role> {
    pub(super) index: usize,
    pub(super) kind: Kind,
    pub(super) core: Option<usize>,
    pub(super) listeners: Vec<Posted>,
    pub(super) inbox: Receiver<Message<R::Message>>,
    pub(super) wake: Wake,
    pub(super) mailboxes: Vec<Mailbox<R::Message>>,
    pub(super) counters: Arc<Counters>,
    pub(super) records: Records,
    pub(super) load: Load,
}

/// Runs one worker until it is stopped or drained. `ready` is told once it serves, or why not.
pub(super) fn run<R: Role>(
    post: Post<R>,
    make: impl FnOnce(&Rc<Worker>) -> Rc<R>,
    ready: impl FnOnce(std::io::Result<()>),
) {
    if let Some(core) = post.core
        && !engine::pin_current(core)
    {
        tracing::warn!(worker = post.index, core, "the kernel refuses to pin this worker");
    }
    let mut runtime = match Runtime::new(post.kind) {
        Ok(runtime) => runtime,
        Err(error) => return ready(Err(error)),
    };
    let driver = runtime.driver();
    runtime.block_on(async move {
        let pool = BufferPool::new(
            &driver,
            limits::POOL_BYTES_SOFT_MAX,
            limits::REGISTERED_BYTES_PER_WORKER,
        );
        tracing::debug!(
            worker = post.index, engine = %post.kind, flags = driver.flags(),
            registered = ?pool.registered(), "worker starts"
        );
        if let Registration::Registered(bytes) = pool.registered() {
            post.counters.set(Gauge::RegisteredBytes, *bytes as u64);
        }
        let shard = Shard::new(post.index, driver.clone(), pool, post.counters);
        let shard = Rc::new(shard.with_records(post.records));
        let adopt = |Posted { number, fd, group }: Posted| Door::new(number, fd, group);
        let doors: std::io::Result<Vec<_>> = post.listeners.into_iter().map(adopt).collect();
        let doors = match doors {
            Ok(doors) => doors,
            Err(error) => return ready(Err(error)),
        };
        let worker = Rc::new(Worker {
            shard,
            load: post.load,
            draining_since: Cell::new(None),
            doors: RefCell::default(),
        });
        let role = make(&worker);
        let mailboxes: Rc<[Mailbox<R::Message>]> = post.mailboxes.into();
        for door in doors {
            open(&worker, &role, door, &mailboxes);
        }
        let ticking = tokio::task::spawn_local(tick(worker.clone(), role.clone()));
        ready(Ok(()));
        serve(&worker, &role, (&post.inbox, post.wake), &mailboxes).await;
        ticking.abort();
        end(&worker).await;
    });
}

/// Accepts on a listener from now on.
fn open<R: Role>(
    worker: &Rc<Worker>,
    role: &Rc<R>,
    door: Rc<Door>,
    mailboxes: &Rc<[Mailbox<R::Message>]>,
) {
    worker.doors.borrow_mut().push(door.clone());
    let accepting = accept_loop(worker.clone(), role.clone(), door, mailboxes.clone());
    tokio::task::spawn_local(accepting);
}

async fn tick<R: Role>(worker: Rc<Worker>, role: Rc<R>) {
    let mut interval = tokio::time::interval(limits::TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut clock = BusyClock::new(Instant::now());
    loop {
        interval.tick().await;
        let now = Instant::now();
        let mut census = Census::default();
        let pressed = worker.shard.is_pressed();
        worker.shard.each_session(|live| {
            live.tick(now, pressed);
            if worker.has_drained_for(limits::DRAIN_GRACE, now) {
                live.drain();
            }
            census.add(live);
        });
        if pressed {
            worker.shard.pool.empty();
        } else {
            worker.shard.pool.trim();
        }
        worker.publish_load();
        worker.publish(&census);
        worker.publish_pool();
        worker.shard.tick(now);
        clock.tick(&worker.shard.counters, now);
        role.tick(&worker, now);
    }
}

/// Handles messages until the worker is stopped, or drained and empty.
async fn serve<R: Role>(
    worker: &Rc<Worker>,
    role: &Rc<R>,
    (inbox, mut wake): (&Receiver<Message<R::Message>>, Wake),
    mailboxes: &Rc<[Mailbox<R::Message>]>,
) {
    loop {
        while let Ok(message) = inbox.try_recv() {
            match message {
                Message::Adopt(accepted) => {
                    worker.shard.count(Count::Adopted);
                    role.accepted(worker, accepted);
                }
                Message::Listen { .. } if worker.is_draining() => {}
                Message::Listen { listener, fd, group } => match Door::new(listener, fd, group) {
                    Ok(door) => open(worker, role, door, mailboxes),
                    Err(error) => tracing::error!(%error, "a listener cannot be watched"),
                },
                Message::Regroup { listener, group } => worker.regroup(listener, &group),
                Message::Unlisten(listener) => worker.unlisten(listener),
                Message::TakeNews(answer) => {
                    // The asker may have given up waiting; the next one hears of it, too.
                    if let Err(unheard) = answer.send(worker.shard.take_news()) {
                        worker.shard.give_back(&unheard.0);
                    }
                }
                Message::Look(asked, answer) => {
                    tokio::task::spawn_local(look(worker.clone(), *asked, answer));
                }
                Message::Kill(key, face, answer) => {
                    let _ = answer.send(kill(worker, key, face));
                }
                Message::Answer(asker) => {
                    // Who asked may have given up waiting.
                    let _ = asker.send(());
                }
                Message::Drain => worker.drain(),
                Message::Stop => return worker.drain(),
                Message::Role(message) => role.message(worker, message),
            }
        }
        if let Err(error) = wake.wait().await {
            // Without its mailbox a worker can be neither told nor stopped.
            panic!("the mailbox of worker {} broke: {error}", worker.shard.index);
        }
    }
}

/// Aborts what is left and waits until every session has let go of its sockets.
async fn end(worker: &Worker) {
    let deadline = Instant::now() + limits::LINGER_TIMEOUT;
    worker.shard.each_session(|live| live.kill(Ending::Drained));
    while worker.shard.session_count() > 0 && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

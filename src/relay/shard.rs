//! What one worker owns and its sessions use: engine, buffers, histograms, counters, the slab.

use std::{
    cell::{Cell, RefCell},
    io,
    ops::Range,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use super::Live;
use crate::{
    engine::{BufferPool, Driver, SizeClass, exhausted},
    limits,
    telemetry::{
        Audit, Count, Counters, Group, Groups, Metric, News, Records, Traces, TunnelId, names,
    },
    tunnel::{Budget, Held, Key, Memory, Stride, Table},
};

/// One worker's own state. Nothing in it is shared with another thread but the counters, which
/// only this worker writes.
pub struct Shard {
    /// The worker's number, from 0.
    pub index: usize,
    /// The engine its sockets run on.
    pub driver: Driver,
    /// Its buffers.
    pub pool: BufferPool,
    /// Its counters, read by the admin thread.
    pub counters: Arc<Counters>,
    /// Credit that its tunnels' peers have.
    pub loans: Rc<Budget>,
    memory: Memory,
    /// Where it records what happens.
    pub audit: Audit,
    /// Where it leaves the spans of traces.
    pub traces: Traces,
    tunnels: Cell<u64>,
    groups: RefCell<Groups>,
    sessions: RefCell<Table<Rc<Live>>>,
    dialling: Cell<usize>,
    handshaking: Cell<usize>,
    waiting: Cell<usize>,
}

impl Shard {
    /// The state of a worker that has no sessions yet.
    pub fn new(index: usize, driver: Driver, pool: BufferPool, counters: Arc<Counters>) -> Self {
        Self {
            index,
            driver,
            pool,
            counters,
            loans: Memory::unbounded().loans(),
            memory: Memory::unbounded(),
            audit: Audit::default(),
            traces: Traces::default(),
            tunnels: Cell::new(0),
            groups: RefCell::new(Groups::new(Instant::now())),
            sessions: RefCell::new(Table::new(limits::SESSIONS_PER_WORKER_MAX)),
            dialling: Cell::new(0),
            handshaking: Cell::new(0),
            waiting: Cell::new(0),
        }
    }

    /// The same, and it writes down what happens.
    #[must_use]
    pub fn with_records(self, records: Records) -> Self {
        Self { audit: records.audit, traces: records.traces, ..self }
    }

    /// A name for another tunnel.
    pub fn name_tunnel(&self) -> TunnelId {
        self.tunnels.set(self.tunnels.get() + 1);
        TunnelId { worker: self.index, number: self.tunnels.get() }
    }

    /// Records one latency sample that belongs to no service.
    pub fn sample(&self, metric: Metric, value: Duration) {
        self.groups.borrow_mut().sample(metric, value);
    }

    /// Where the figures of a service of a subaccount are kept. It must be one that an
    /// authenticated subaccount has.
    pub fn group(&self, subaccount: &str, service: &str) -> Rc<Group> {
        self.groups.borrow_mut().group(subaccount, service, Instant::now())
    }

    /// Where the figures of an authenticated subaccount are kept that are of no service.
    pub fn tenant(&self, subaccount: &str) -> Rc<Group> {
        self.group(subaccount, "")
    }

    /// Forgets the figures of services that nobody used for long.
    pub fn tick(&self, now: Instant) {
        self.groups.borrow_mut().tick(now);
    }

    /// Hands out what was recorded since the last call.
    pub fn take_news(&self) -> News {
        self.groups.borrow_mut().take()
    }

    /// Takes back what was handed out and reached nobody.
    pub fn give_back(&self, news: &News) {
        self.groups.borrow_mut().give_back(news, Instant::now());
    }

    /// Bytes that all tunnels may be sent ahead.
    pub fn credit_bytes(&self) -> usize {
        self.loans.lent_bytes()
    }

    /// Adds one to a counter.
    pub fn count(&self, count: Count) {
        self.counters.add(count, 1);
    }

    /// Counts that something was turned away because a call was refused a resource; says which,
    /// if that was why it failed.
    pub fn shed(&self, call: &str, error: &io::Error) -> Option<&'static str> {
        let resource = exhausted(error)?;
        self.count(Count::Shed(names::shed_cause(call, resource)));
        Some(resource)
    }

    /// Bounds what traffic may make this worker hold, from now on; `None` is unbounded.
    pub fn set_memory(&self, bytes_max: Option<usize>) {
        self.memory.resize(bytes_max);
        self.memory.resize_loans(&self.loans);
        self.pool.resize(self.memory.buffers_soft_max(), self.memory.buffers_free_max());
    }

    /// Bytes that count against [`Shard::set_memory`], and how many there may be.
    pub fn memory(&self) -> (usize, Option<usize>) {
        (self.held().bytes(), self.memory.bytes_max())
    }

    /// Whether so much is held that what is idle should be given back.
    pub fn is_pressed(&self) -> bool {
        self.memory.is_pressed(&self.held())
    }

    fn held(&self) -> Held {
        Held {
            sessions: self.session_count(),
            buffers: self.pool.bytes_held(),
            lent: self.loans.lent_bytes(),
        }
    }

    /// Puts a session into the slab.
    ///
    /// # Errors
    /// What there is no room for; counted.
    pub fn admit(&self, live: &Rc<Live>) -> Result<Key, &'static str> {
        let admitted = self
            .check_room()
            .and_then(|()| self.sessions.borrow_mut().insert(live.clone()).map_err(|_| "sessions"));
        admitted.inspect_err(|what| self.count(Count::Shed(what)))
    }

    /// Whether another session would be admitted now.
    ///
    /// # Errors
    /// What there is no room for.
    pub fn check_room(&self) -> Result<(), &'static str> {
        if !self.memory.has_room(&self.held()) {
            return Err("memory");
        }
        if self.session_count() < limits::SESSIONS_PER_WORKER_MAX {
            Ok(())
        } else {
            Err("sessions")
        }
    }

    /// Takes a session out of the slab.
    pub fn dismiss(&self, key: Key) {
        self.sessions.borrow_mut().remove(key);
    }

    /// Sessions in the slab.
    pub fn session_count(&self) -> usize {
        self.sessions.borrow().len()
    }

    /// Calls `visit` for every session. The slab is not borrowed meanwhile.
    pub fn each_session(&self, mut visit: impl FnMut(&Live)) {
        let sessions: Vec<Rc<Live>> = self.sessions.borrow().iter().cloned().collect();
        for live in sessions {
            visit(&live);
        }
    }

    /// The session `key` names, if it still exists.
    pub fn session(&self, key: Key) -> Option<Rc<Live>> {
        self.sessions.borrow().get(key).cloned()
    }

    /// The sessions at some places of the slab. It is borrowed meanwhile: `visit` only looks.
    pub fn look_at(&self, places: Range<usize>, mut visit: impl FnMut(Key, &Live)) {
        self.sessions.borrow().part(places).for_each(|(key, live)| visit(key, live));
    }

    /// As many places as the slab has now.
    pub fn places(&self) -> usize {
        self.sessions.borrow().places()
    }

    /// A place among the dials in flight, or `None` when there are too many.
    pub fn dial_permit(&self) -> Option<Permit<'_>> {
        self.permit(&self.dialling, limits::DIALS_PER_WORKER_MAX, "dials")
    }

    /// A place among the handshakes in flight, or `None` when there are too many.
    pub fn handshake_permit(&self) -> Option<Permit<'_>> {
        self.permit(&self.handshaking, limits::HANDSHAKES_PER_WORKER_MAX, "handshakes")
    }

    /// A place among the connections that wait for their turn, or `None` when there are too many.
    pub fn hold_permit(&self) -> Option<Permit<'_>> {
        self.permit(&self.waiting, limits::HELD_PER_WORKER_MAX, "held")
    }

    fn permit<'a>(
        &self,
        used: &'a Cell<usize>,
        used_max: usize,
        what: &'static str,
    ) -> Option<Permit<'a>> {
        let permit = Permit::take(used, used_max);
        if permit.is_none() {
            self.count(Count::Shed(what));
        }
        permit
    }
}

/// A place among a bounded number; given back on drop.
pub struct Permit<'a>(&'a Cell<usize>);

impl<'a> Permit<'a> {
    fn take(used: &'a Cell<usize>, used_max: usize) -> Option<Self> {
        (used.get() < used_max).then(|| {
            used.set(used.get() + 1);
            Self(used)
        })
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// The buffer class of a stride.
pub(in crate::relay) fn class_of(stride: Stride) -> SizeClass {
    match stride {
        Stride::Small => SizeClass::Small,
        Stride::Medium => SizeClass::Medium,
        Stride::Large => SizeClass::Large,
    }
}

/// The smallest buffer class that holds `bytes`.
pub(in crate::relay) fn class_for(bytes: usize) -> SizeClass {
    [SizeClass::Small, SizeClass::Medium]
        .into_iter()
        .find(|class| class.bytes() >= bytes)
        .unwrap_or(SizeClass::Large)
}

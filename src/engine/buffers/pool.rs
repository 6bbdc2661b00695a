//! The pool of one worker: free lists per size class, the registered memory, the budget.

use std::{
    cell::{Cell, RefCell},
    fmt,
    rc::Rc,
};

use tokio_uring::buf::fixed::FixedBufRegistry;

use super::{
    buffer::{Buffer, SizeClass},
    memory::{Memory, Pages},
};
use crate::{
    engine::driver::{Driver, Kind, Outlives},
    limits,
};

/// Whether a pool's memory is registered with the ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registration {
    /// This many bytes are.
    Registered(usize),
    /// None is, and why.
    Plain(String),
}

impl fmt::Display for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registered(bytes) => write!(f, "{} KiB registered", bytes / 1024),
            Self::Plain(reason) => write!(f, "not registered: {reason}"),
        }
    }
}

/// The buffers of one worker. Clones are the same pool.
#[derive(Clone)]
pub struct BufferPool {
    shared: Rc<Shared>,
}

struct Shared {
    // Last in, first out: the buffer freed last is the one still in the cache.
    registered: [RefCell<Vec<Memory>>; 3],
    plain: [RefCell<Vec<Memory>>; 3],
    plain_free_bytes: Cell<usize>,
    // Per class, the fewest free plain buffers since the last trim: those nobody needed.
    plain_unneeded: [Cell<usize>; 3],
    bytes_in_use: Cell<usize>,
    soft_max_bytes: Cell<usize>,
    free_max_bytes: Cell<usize>,
    shrunk: Cell<u64>,
    registration: Registration,
    // The runtime is being torn down: nothing is freed before the ring is gone.
    keep_all: Cell<bool>,
}

impl BufferPool {
    /// A pool that gives small buffers only once `soft_max_bytes` are in use. With io_uring about
    /// `registered_bytes` are registered with the ring; must be called inside `block_on` there.
    /// Where the kernel refuses (usually RLIMIT_MEMLOCK), the pool works unregistered.
    #[must_use]
    pub fn new(driver: &Driver, soft_max_bytes: usize, registered_bytes: usize) -> Self {
        let registered: [RefCell<Vec<Memory>>; 3] = Default::default();
        let registration = match driver.kind() {
            Kind::Epoll => Registration::Plain("epoll has no registered buffers".to_owned()),
            Kind::IoUring if registered_bytes < SizeClass::Small.bytes() => {
                Registration::Plain("switched off".to_owned())
            }
            Kind::IoUring => register(registered_bytes, &registered),
        };
        let shared = Rc::new(Shared {
            registered,
            plain: Default::default(),
            plain_free_bytes: Cell::new(0),
            plain_unneeded: Default::default(),
            bytes_in_use: Cell::new(0),
            soft_max_bytes: Cell::new(soft_max_bytes),
            free_max_bytes: Cell::new(limits::POOL_FREE_BYTES_MAX),
            shrunk: Cell::new(0),
            registration,
            keep_all: Cell::new(false),
        });
        driver.keep_until_ring_is_gone(Rc::clone(&shared) as Rc<dyn Outlives>);
        Self { shared }
    }

    /// A buffer of `class`, or a small one while the pool is above its soft budget: for
    /// receiving, where less room only means more rounds. Never fails.
    #[must_use]
    pub fn take(&self, class: SizeClass) -> Buffer {
        let shared = &self.shared;
        if class > SizeClass::Small
            && shared.bytes_in_use.get() + class.bytes() > shared.soft_max_bytes.get()
        {
            shared.shrunk.set(shared.shrunk.get() + 1);
            return self.take_whole(SizeClass::Small);
        }
        self.take_whole(class)
    }

    /// A buffer of `class` whatever the budget says: for bytes that are here already and must
    /// go on in one piece. What was received within the budget bounds these, too.
    #[must_use]
    pub fn take_whole(&self, class: SizeClass) -> Buffer {
        let shared = &self.shared;
        let memory = shared.free_memory(class);
        let memory = memory.unwrap_or_else(|| Memory::Plain(Pages::new(class.bytes())));
        shared.bytes_in_use.set(shared.bytes_in_use.get() + class.bytes());
        Buffer::new(memory, class, self.clone())
    }

    /// Bytes of all buffers given out and not yet back.
    #[must_use]
    pub fn bytes_in_use(&self) -> usize {
        self.shared.bytes_in_use.get()
    }

    /// Bytes of all buffers given out, and of those kept for reuse.
    #[must_use]
    pub fn bytes_held(&self) -> usize {
        self.shared.bytes_in_use.get() + self.shared.plain_free_bytes.get()
    }

    /// Gives small buffers only once `soft_max_bytes` are in use, and keeps no more than
    /// `free_max_bytes` for reuse, from now on.
    pub fn resize(&self, soft_max_bytes: usize, free_max_bytes: usize) {
        self.shared.soft_max_bytes.set(soft_max_bytes);
        self.shared.free_max_bytes.set(free_max_bytes);
    }

    /// Gives back all free memory.
    pub fn empty(&self) {
        let shared = &self.shared;
        if shared.keep_all.get() {
            return;
        }
        for class in SizeClass::ALL {
            shared.plain[class.index()].borrow_mut().clear();
            shared.plain_unneeded[class.index()].set(0);
        }
        shared.plain_free_bytes.set(0);
    }

    /// Gives back half of the free memory that was not needed since the last call. Called at a
    /// steady pace, it lets what a burst left behind fade within seconds.
    pub fn trim(&self) {
        let shared = &self.shared;
        if shared.keep_all.get() {
            return;
        }
        for class in SizeClass::ALL {
            let mut free = shared.plain[class.index()].borrow_mut();
            let unneeded = shared.plain_unneeded[class.index()].get().min(free.len());
            // The last freed are the first reused, so those nobody needed lie at the bottom.
            drop(free.drain(..unneeded.div_ceil(2)));
            shared.plain_unneeded[class.index()].set(free.len());
            let bytes = unneeded.div_ceil(2) * class.bytes();
            shared.plain_free_bytes.set(shared.plain_free_bytes.get() - bytes);
        }
    }

    /// How often a buffer smaller than asked for was given.
    #[must_use]
    pub fn shrunk(&self) -> u64 {
        self.shared.shrunk.get()
    }

    /// Whether the ring knows this memory.
    #[must_use]
    pub fn registered(&self) -> &Registration {
        &self.shared.registration
    }

    #[cfg(test)]
    pub(super) fn free_bytes(&self) -> usize {
        self.shared.plain_free_bytes.get()
    }

    pub(super) fn give_back(&self, memory: Memory, class: SizeClass) {
        let shared = &self.shared;
        shared.bytes_in_use.set(shared.bytes_in_use.get() - class.bytes());
        match memory {
            Memory::Registered(_) => shared.registered[class.index()].borrow_mut().push(memory),
            Memory::Plain(_) => {
                let free_bytes = shared.plain_free_bytes.get() + class.bytes();
                if free_bytes <= shared.free_max_bytes.get() || shared.keep_all.get() {
                    shared.plain_free_bytes.set(free_bytes);
                    shared.plain[class.index()].borrow_mut().push(memory);
                }
            }
            Memory::Gone => {}
        }
    }
}

impl Shared {
    fn free_memory(&self, class: SizeClass) -> Option<Memory> {
        if let Some(memory) = self.registered[class.index()].borrow_mut().pop() {
            return Some(memory);
        }
        let (memory, left) = {
            let mut free = self.plain[class.index()].borrow_mut();
            (free.pop()?, free.len())
        };
        let unneeded = &self.plain_unneeded[class.index()];
        unneeded.set(unneeded.get().min(left));
        self.plain_free_bytes.set(self.plain_free_bytes.get() - class.bytes());
        Some(memory)
    }
}

impl Outlives for Shared {
    fn ring_is_going(&self) {
        self.keep_all.set(true);
    }
}

/// How many buffers of each class are registered: about a third of the bytes each, because one
/// large buffer serves one bulk direction and many small ones serve many quiet ones.
fn registered_counts(bytes: usize) -> [usize; 3] {
    let large = bytes / 3 / SizeClass::Large.bytes();
    let medium = bytes / 3 / SizeClass::Medium.bytes();
    let rest = bytes - large * SizeClass::Large.bytes() - medium * SizeClass::Medium.bytes();
    let small_max = limits::REGISTERED_BUFFERS_MAX.saturating_sub(large + medium);
    let small = (rest / SizeClass::Small.bytes()).min(small_max);
    [
        small,
        medium.min(limits::REGISTERED_BUFFERS_MAX / 4),
        large.min(limits::REGISTERED_BUFFERS_MAX / 4),
    ]
}

fn register(bytes: usize, free: &[RefCell<Vec<Memory>>; 3]) -> Registration {
    let counts = registered_counts(bytes);
    let classes: Vec<SizeClass> = SizeClass::ALL
        .into_iter()
        .flat_map(|class| std::iter::repeat_n(class, counts[class.index()]))
        .collect();
    let registry = FixedBufRegistry::new(classes.iter().map(|class| Pages::new(class.bytes())));
    if let Err(error) = registry.register() {
        return Registration::Plain(explain(&error));
    }
    for (index, class) in classes.iter().enumerate() {
        let fixed = registry.check_out(index).expect("each index is checked out once");
        free[class.index()].borrow_mut().push(Memory::Registered(fixed));
    }
    Registration::Registered(classes.iter().map(|class| class.bytes()).sum())
}

fn explain(error: &std::io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::ENOMEM) => {
            "RLIMIT_MEMLOCK is used up (it counts per uid); raise `ulimit -l`, systemd \
             LimitMEMLOCK= or docker --ulimit memlock="
                .to_owned()
        }
        Some(libc::EBUSY) => "the ring already has registered buffers".to_owned(),
        _ => format!("the kernel refused: {error}"),
    }
}

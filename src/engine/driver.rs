//! Which driver runs under a worker, and what must outlive its ring.

use std::{cell::RefCell, fmt, rc::Rc};

/// The driver under a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Completions from an io_uring.
    IoUring,
    /// Readiness from epoll.
    Epoll,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::IoUring => "io_uring",
            Self::Epoll => "epoll",
        })
    }
}

/// Memory the kernel may still write to while the ring is torn down.
pub(super) trait Outlives {
    /// From now on nothing may be freed.
    fn ring_is_going(&self) {}
}

/// A handle to a worker's driver, needed to adopt sockets. Clones are the same driver.
#[derive(Clone)]
pub struct Driver {
    shared: Rc<Shared>,
}

struct Shared {
    kind: Kind,
    flags: &'static str,
    // tokio-uring frees the data of abandoned operations just before it cancels them, so what
    // those point into is held here until the ring itself is gone.
    kept: RefCell<Vec<Rc<dyn Outlives>>>,
}

impl Driver {
    pub(super) fn new(kind: Kind, flags: &'static str) -> Self {
        Self { shared: Rc::new(Shared { kind, flags, kept: RefCell::default() }) }
    }

    /// Which driver it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.shared.kind
    }

    /// The ring's setup flags, for the log line; empty under epoll.
    #[must_use]
    pub fn flags(&self) -> &str {
        self.shared.flags
    }

    pub(super) fn keep_until_ring_is_gone(&self, memory: Rc<dyn Outlives>) {
        if self.kind() == Kind::IoUring {
            let mut kept = self.shared.kept.borrow_mut();
            // An operation in flight holds its own reference, so a sole one is no longer needed.
            kept.retain(|memory| Rc::strong_count(memory) > 1);
            kept.push(memory);
        }
    }

    pub(super) fn ring_is_going(&self) {
        for memory in self.shared.kept.borrow().iter() {
            memory.ring_is_going();
        }
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").field("kind", &self.kind()).field("flags", &self.flags()).finish()
    }
}

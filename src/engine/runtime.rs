//! A worker's event loop: a tokio current-thread runtime with a set of local tasks, alone
//! (epoll) or with a ring whose completions wake it (io_uring).

use std::{future::Future, io};

use tokio::task::LocalSet;

use super::{
    driver::{Driver, Kind},
    uring,
};

/// The event loop of one worker, built on the worker's own thread. Inside either kind
/// `tokio::task::spawn_local`, tokio's timers and its `AsyncFd` work.
pub struct Runtime {
    // Dropped before `driver`, which holds what must outlive the ring.
    event_loop: EventLoop,
    driver: Driver,
}

enum EventLoop {
    IoUring(tokio_uring::Runtime),
    // The tasks go before the reactor their sockets are registered with.
    Epoll { tasks: LocalSet, runtime: tokio::runtime::Runtime },
}

impl Runtime {
    /// Builds the event loop. For io_uring the best setup flags the kernel accepts are used.
    ///
    /// # Errors
    /// When the kernel refuses a ring or an epoll instance.
    pub fn new(kind: Kind) -> io::Result<Self> {
        match kind {
            Kind::IoUring => {
                let (runtime, flags) = uring::start()?;
                let driver = Driver::new(kind, flags);
                Ok(Self { event_loop: EventLoop::IoUring(runtime), driver })
            }
            Kind::Epoll => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                let event_loop = EventLoop::Epoll { tasks: LocalSet::new(), runtime };
                Ok(Self { event_loop, driver: Driver::new(kind, "") })
            }
        }
    }

    /// Runs `future` to its end, with every local task beside it.
    pub fn block_on<F: Future>(&mut self, future: F) -> F::Output {
        match &mut self.event_loop {
            EventLoop::IoUring(runtime) => runtime.block_on(future),
            EventLoop::Epoll { tasks, runtime } => runtime.block_on(tasks.run_until(future)),
        }
    }

    /// The handle sockets and pools are made with.
    #[must_use]
    pub fn driver(&self) -> Driver {
        self.driver.clone()
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.driver.ring_is_going();
    }
}

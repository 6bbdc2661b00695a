//! Waking a worker from another thread: an eventfd, the same under both drivers.

#![allow(unsafe_code)]

use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    sync::Arc,
};

use tokio::io::{Interest, unix::AsyncFd};

use super::system;

/// Wakes the worker that owns the other half. Wakes before it looks count as one.
#[derive(Clone, Debug)]
pub struct Waker {
    event: Arc<OwnedFd>,
}

/// The worker's half: registered with its event loop by the first `wait`.
#[derive(Debug)]
pub struct Wake {
    event: Arc<OwnedFd>,
    registered: Option<AsyncFd<Arc<OwnedFd>>>,
}

/// A waker and what it wakes.
///
/// # Errors
/// When the process has no file descriptor left.
pub fn wake_pair() -> io::Result<(Waker, Wake)> {
    // SAFETY: takes no pointer.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: eventfd(2) just made this descriptor for us; nobody else owns it.
    let event = Arc::new(unsafe { OwnedFd::from_raw_fd(fd) });
    Ok((Waker { event: Arc::clone(&event) }, Wake { event, registered: None }))
}

impl Waker {
    /// Ends the current or the next `wait`.
    pub fn wake(&self) {
        let one = 1_u64;
        // SAFETY: the kernel reads the 8 bytes of `one`. The only possible failure is a counter
        // that is full, and then the worker is being woken already.
        unsafe { libc::write(self.event.as_raw_fd(), (&raw const one).cast(), size_of::<u64>()) };
    }
}

impl Wake {
    /// Waits until `wake` was called since the last `wait`. Must run on a worker's event loop.
    /// It may be dropped and called again without losing a wake.
    ///
    /// # Errors
    /// When the event loop cannot watch the descriptor.
    pub async fn wait(&mut self) -> io::Result<()> {
        let registered = match self.registered.take() {
            Some(registered) => registered,
            None => system::watch(Arc::clone(&self.event), Interest::READABLE)?,
        };
        let registered = self.registered.insert(registered);
        loop {
            let mut ready = registered.readable().await?;
            match ready.try_io(|event| take(event.get_ref())) {
                Ok(taken) => return taken,
                Err(_would_block) => {}
            }
        }
    }
}

fn take(event: &OwnedFd) -> io::Result<()> {
    let mut count = 0_u64;
    // SAFETY: the kernel writes at most the 8 bytes of `count`, which outlives the call.
    let read = unsafe { libc::read(event.as_raw_fd(), (&raw mut count).cast(), size_of::<u64>()) };
    if read < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

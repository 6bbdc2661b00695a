//! One echo through the real engine, on a thread of its own: an engine that hangs or is denied
//! half-way is found here and not by a customer.

use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
};

use crate::{
    engine::{BufferPool, Kind, Runtime, SizeClass, Socket},
    limits,
};

const WORDS: &[u8] = b"is anybody there?";

/// Why the echo failed. A thread that hangs is left behind: nothing can end it.
pub(super) fn echo() -> Result<(), String> {
    let (report, outcome) = mpsc::channel();
    let spawned = thread::Builder::new().name("engine-self-test".to_owned()).spawn(move || {
        // The receiver is gone once it has waited long enough.
        let _too_late = report.send(echo_here());
    });
    if let Err(error) = spawned {
        return Err(format!("no thread for the self-test: {error}"));
    }
    match outcome.recv_timeout(limits::ENGINE_SELF_TEST_TIMEOUT) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(RecvTimeoutError::Timeout) => {
            let seconds = limits::ENGINE_SELF_TEST_TIMEOUT.as_secs();
            Err(format!("no echo within {seconds} s"))
        }
        Err(RecvTimeoutError::Disconnected) => Err("the self-test's thread died".to_owned()),
    }
}

fn echo_here() -> io::Result<()> {
    let mut runtime = Runtime::new(Kind::IoUring)?;
    let driver = runtime.driver();
    let (ours, theirs) = UnixStream::pair()?;
    runtime.block_on(async move {
        let pool = BufferPool::new(&driver, limits::BUFFER_LARGE_BYTES, 0);
        let theirs = Socket::adopt(&driver, OwnedFd::from(theirs))?;
        let ours = Socket::adopt(&driver, OwnedFd::from(ours))?;
        let echo = tokio::task::spawn_local({
            let pool = pool.clone();
            async move {
                // Waits before anything was sent, so that a real completion must wake it.
                let heard = theirs.recv(&pool, SizeClass::Small).await?;
                theirs.send_all(heard).await.0
            }
        });
        tokio::task::yield_now().await;
        let mut words = pool.take(SizeClass::Small);
        words.spare_mut()[..WORDS.len()].copy_from_slice(WORDS);
        words.fill(WORDS.len());
        ours.send_all(words).await.0?;
        let heard = ours.recv(&pool, SizeClass::Small).await?;
        echo.await.map_err(io::Error::other)??;
        if heard.filled() == WORDS { Ok(()) } else { Err(io::Error::other("the echo differs")) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_self_test_passes_where_a_ring_can_be_had() {
        if let Err(error) = Runtime::new(Kind::IoUring) {
            eprintln!("SKIPPED io_uring: {error}");
            return;
        }
        assert_eq!(echo(), Ok(()));
    }
}

//! A deadline for one operation on a socket. An operation on the ring is never dropped half-way;
//! it is ended by aborting its socket, and then awaited.

use std::time::Duration;

use tokio::task::JoinHandle;

use crate::engine::Socket;

/// Aborts a socket when its time is up; called off when dropped.
pub struct Deadline(JoinHandle<()>);

impl Deadline {
    /// `socket` is aborted in `timeout` from now.
    pub fn start(socket: &Socket, timeout: Duration) -> Self {
        let socket = socket.clone();
        Self(tokio::task::spawn_local(async move {
            tokio::time::sleep(timeout).await;
            socket.abort();
        }))
    }

    /// Whether the socket has been aborted.
    pub fn has_passed(&self) -> bool {
        self.0.is_finished()
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        self.0.abort();
    }
}

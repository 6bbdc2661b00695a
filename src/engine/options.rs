//! Socket options of a tunnel's legs.

use std::{io, os::fd::BorrowedFd, time::Duration};

use socket2::{SockRef, TcpKeepalive};

use crate::limits;

/// How a TCP connection notices a dead peer. Nagle's algorithm is always off: we batch writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Silence before the first keepalive probe.
    pub keepalive_idle: Duration,
    /// Between two probes.
    pub keepalive_interval: Duration,
    /// Unacknowledged data for this long is a dead peer.
    pub user_timeout: Duration,
}

impl Default for Tuning {
    fn default() -> Self {
        Self::stream()
    }
}

impl Tuning {
    /// For a connection that carries one stream, whose reader may pause: Linux lets
    /// TCP_USER_TIMEOUT run on a closed window too (since 5.11), so a short one would take a
    /// paused reader for a dead peer.
    #[must_use]
    pub fn stream() -> Self {
        Self {
            keepalive_idle: limits::TCP_KEEPALIVE_IDLE,
            keepalive_interval: limits::TCP_KEEPALIVE_INTERVAL,
            user_timeout: limits::TCP_USER_TIMEOUT_STREAM,
        }
    }

    /// For a tunnel of many streams: its peer reads whatever one stream's reader does.
    #[must_use]
    pub fn tunnel() -> Self {
        Self { user_timeout: limits::TCP_USER_TIMEOUT, ..Self::stream() }
    }
}

impl Tuning {
    pub(super) fn apply(&self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let socket = SockRef::from(&fd);
        socket.set_tcp_nodelay(true)?;
        let keepalive = TcpKeepalive::new()
            .with_time(self.keepalive_idle)
            .with_interval(self.keepalive_interval);
        socket.set_tcp_keepalive(&keepalive)?;
        socket.set_tcp_user_timeout(Some(self.user_timeout))
    }
}

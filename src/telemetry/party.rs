//! Who a stream belongs to and where it goes, as every record of it tells.

use std::{fmt, net::SocketAddr, time::Duration};

use super::trace::Seed;

/// A tunnel among all that a process has had: the worker it belongs to, and its number there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct TunnelId {
    /// The worker.
    pub worker: usize,
    /// Counted from 1 by that worker.
    pub number: u64,
}

impl fmt::Display for TunnelId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.worker, self.number)
    }
}

/// Who a stream belongs to and where it goes.
#[derive(Debug, Clone)]
pub struct Party {
    /// The tenant.
    pub subaccount: String,
    /// Which of the tenant's connectors.
    pub location: String,
    /// Serial number of the connector's certificate.
    pub serial: String,
    /// The service asked for.
    pub service: String,
    /// The connector as the proxy sees it, the client as the connector sees it.
    pub peer: SocketAddr,
    /// The tunnel that carries the stream.
    pub tunnel: TunnelId,
    /// The trace the stream belongs to, where its opener said so.
    pub traceparent: Option<String>,
    /// Its span in that trace, where that is recorded.
    pub span: Option<Seed>,
    /// Where the bytes go: the service's address, or the proxy's.
    pub target: SocketAddr,
    /// From the request, or from the accepted client, to the established stream.
    pub connect: Duration,
    /// The service's dial alone; a connector dials none.
    pub dial: Option<Duration>,
}

//! What is timed, and how it is called.

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// From accept, or dial, to a finished TLS handshake.
    TlsHandshake,
    /// From a complete CONNECT, on a connector from the client's accept, to the 200.
    Connect,
    /// From the first connect(2) to a service to an open connection.
    Dial,
    /// From the 200 to the first byte of the service.
    FirstByte,
    /// Client to service, one chunk: from its receipt to its last byte sent.
    ForwardUp,
    /// Service to client, one chunk: from its receipt to its last byte sent.
    ForwardDown,
    /// From the 200 to the end of both directions.
    StreamLifetime,
    /// From accept(2), or a request's arrival on a tunnel of many streams, to the first turn of
    /// the task that serves it: hand-over to another worker, its mailbox, the worker's other
    /// tasks, and for an offender the time it is held.
    QueueWait,
    /// From a PING on a tunnel of many streams to its answer.
    TunnelRtt,
    /// From a send that the kernel did not take in full at once to its last byte taken.
    WriteStall,
}

impl Metric {
    /// Every metric, in the order they are shown.
    pub const ALL: [Self; 10] = [
        Self::TlsHandshake,
        Self::Connect,
        Self::Dial,
        Self::FirstByte,
        Self::ForwardUp,
        Self::ForwardDown,
        Self::StreamLifetime,
        Self::QueueWait,
        Self::TunnelRtt,
        Self::WriteStall,
    ];

    /// Those that are known for each service: of whom the others are is not known when they are
    /// recorded, or they are of many services at once.
    pub const OF_SERVICES: [Self; 7] = [
        Self::Connect,
        Self::Dial,
        Self::FirstByte,
        Self::ForwardUp,
        Self::ForwardDown,
        Self::StreamLifetime,
        Self::WriteStall,
    ];

    /// Name in URLs, JSON and metric names.
    pub fn name(self) -> &'static str {
        match self {
            Self::TlsHandshake => "tls_handshake",
            Self::Connect => "connect",
            Self::Dial => "dial",
            Self::FirstByte => "first_byte",
            Self::ForwardUp => "forward_up",
            Self::ForwardDown => "forward_down",
            Self::StreamLifetime => "stream_lifetime",
            Self::QueueWait => "queue_wait",
            Self::TunnelRtt => "tunnel_rtt",
            Self::WriteStall => "write_stall",
        }
    }

    /// The metric of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.name() == name)
    }

    /// One sentence on what is timed.
    pub fn help(self) -> &'static str {
        match self {
            Self::TlsHandshake => "TLS handshakes, from the connection to the last flight",
            Self::Connect => "from the request (on a connector: the client's accept) to the 200",
            Self::Dial => "dials of services that succeeded",
            Self::FirstByte => "from the 200 to the first byte of the service",
            Self::ForwardUp => "chunks from client to service, from receipt to the last byte sent",
            Self::ForwardDown => {
                "chunks from service to client, from receipt to the last byte sent"
            }
            Self::StreamLifetime => "streams, from the 200 to the end of both directions",
            Self::QueueWait => "from accept, or a request's arrival, to its task's first turn",
            Self::TunnelRtt => "round trips of PINGs on tunnels of many streams",
            Self::WriteStall => "sends that could not finish at once, until they did",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_found_at_its_own_position_and_by_its_own_name() {
        for (index, metric) in Metric::ALL.into_iter().enumerate() {
            assert_eq!(metric as usize, index);
            assert_eq!(Metric::from_name(metric.name()), Some(metric));
        }
        assert_eq!(Metric::from_name("forward"), None);
    }
}

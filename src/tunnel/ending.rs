//! How a stream ends, by whose doing.

/// How a stream ended. Everything but [`Ending::Clean`] reaches both ends as an error, never as a
/// clean end of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Both directions were finished by their senders and forwarded in full.
    Clean,
    /// The client, or the connector on its behalf, aborted.
    ClientAborted,
    /// The service, or the proxy on its behalf, aborted.
    ServiceAborted,
    /// The tunnel's TCP connection failed or carried something that is not valid TLS.
    TunnelLost,
    /// Nothing moved in either direction for the configured idle timeout.
    IdleTimeout,
    /// One direction was finished and nothing moved in the other.
    HalfClosedTimeout,
    /// The mapping that allowed the stream was deleted or no longer allows it.
    MappingRemoved,
    /// The certificate the tunnel was opened with is no longer accepted.
    CertificateRevoked,
    /// The process was asked to stop and the drain deadline passed.
    Drained,
    /// The tunnel was held open without a request for too long.
    PhaseTimeout,
    /// An operator ended it, or the tunnel it rode on.
    Killed,
}

impl Ending {
    /// The stable label for logs and counters.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::ClientAborted => "client_aborted",
            Self::ServiceAborted => "service_aborted",
            Self::TunnelLost => "tunnel_lost",
            Self::IdleTimeout => "idle_timeout",
            Self::HalfClosedTimeout => "half_closed_timeout",
            Self::MappingRemoved => "mapping_removed",
            Self::CertificateRevoked => "certificate_revoked",
            Self::Drained => "drained",
            Self::PhaseTimeout => "phase_timeout",
            Self::Killed => "killed",
        }
    }

    /// The same in words, for whoever reads the log.
    pub fn words(self) -> &'static str {
        match self {
            Self::Clean => "both sides finished",
            Self::ClientAborted => "the client, or the connector on its behalf, aborted",
            Self::ServiceAborted => "the service, or the proxy on its behalf, aborted",
            Self::TunnelLost => "the connection between connector and proxy was lost",
            Self::IdleTimeout => "nothing moved for limits.idle_timeout_seconds",
            Self::HalfClosedTimeout => {
                "one side finished and nothing moved for limits.half_closed_timeout_seconds"
            }
            Self::MappingRemoved => "its service mapping was removed or no longer allows it",
            Self::CertificateRevoked => "the connector's certificate is no longer accepted",
            Self::Drained => "it was open when limits.drain_deadline_seconds had passed",
            Self::PhaseTimeout => "no request came in time",
            Self::Killed => "an operator ended it",
        }
    }

    /// Whether every byte of both directions arrived.
    pub fn is_clean(self) -> bool {
        self == Self::Clean
    }
}

//! The client's end of a stream: TCP, or TLS where its channel asks for that.

use std::rc::Rc;

use super::session::Visit;
use crate::{
    engine::Socket,
    relay::{Link, LinkError, SecuredSource, abort_when_delivered},
    telemetry::Count,
    tls::TlsError,
    tunnel::Ending,
};

/// What a client's bytes are read from, and written to.
pub(super) enum Client {
    Plain(Socket),
    Secured(SecuredSource),
}

/// Why a client of a port with TLS got nowhere.
#[derive(Debug, thiserror::Error)]
pub(super) enum SecureError {
    /// The configuration has a certificate wherever a channel asks for TLS.
    #[error("there is no certificate for TLS on the local port")]
    NoCertificate,
    #[error("too many TLS handshakes at once")]
    TooMany,
    #[error("TLS on the local port: {0}")]
    Unusable(#[from] TlsError),
    #[error("TLS on the local port: {error}")]
    Handshake { error: LinkError, reason: &'static str },
}

impl SecureError {
    /// The stable label for counters of failed handshakes.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::NoCertificate | Self::TooMany => "other",
            Self::Unusable(error) => error.reason(),
            Self::Handshake { reason, .. } => reason,
        }
    }
}

impl Visit {
    /// Shakes hands with the client, before anything is opened for it.
    pub(super) async fn secure(&self) -> Result<Client, SecureError> {
        let Some(_permit) = self.shard.handshake_permit() else {
            return Err(SecureError::TooMany);
        };
        let settings = self.role.settings();
        let tls = settings.local_tls.as_ref().ok_or(SecureError::NoCertificate)?;
        let link = Link::new(self.shard.name_tunnel(), self.client.clone(), tls.accept()?);
        let link = Rc::new(link);
        match link.handshake(&self.shard.pool).await {
            Ok(inbound) => {
                self.shard.count(Count::HandshakesOk);
                Ok(Client::Secured(SecuredSource { link, inbound }))
            }
            Err(error) => {
                let timed_out = self.live.failure() == Some(Ending::PhaseTimeout);
                let reason = if timed_out { "timeout" } else { error.reason() };
                self.shard.count(Count::HandshakesFailed(reason));
                // The alert that says why must arrive before the connection is reset.
                abort_when_delivered(&self.client).await;
                Err(SecureError::Handshake { error, reason })
            }
        }
    }
}

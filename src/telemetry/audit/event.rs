//! What is recorded.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::telemetry::{Party, TunnelId};

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The process began to record.
    Started,
    /// The process ends.
    Stopped,
    /// A tunnel was opened: its handshake is done, and who is at its other end is known.
    TunnelOpened {
        /// The tunnel.
        tunnel: TunnelId,
        /// Its other end.
        peer: SocketAddr,
        /// The tenant.
        subaccount: String,
        /// The only location its certificate may claim, on a connector the one it claims.
        location: Option<String>,
        /// Serial number of the connector's certificate.
        serial: String,
        /// What it speaks: `h2` or `http/1.1`.
        protocol: &'static str,
    },
    /// A tunnel was not opened.
    TunnelFailed {
        /// Its other end, where that is known.
        peer: Option<SocketAddr>,
        /// The tenant; empty where that is not known.
        subaccount: String,
        /// Serial number of the connector's certificate; empty where that is not known.
        serial: String,
        /// A stable label.
        reason: &'static str,
        /// The same in words.
        detail: String,
    },
    /// A stream was established.
    StreamOpened(Arc<Party>),
    /// A stream ended.
    StreamClosed {
        /// Whose it was.
        party: Arc<Party>,
        /// Bytes from client to service.
        up_bytes: u64,
        /// Bytes from service to client.
        down_bytes: u64,
        /// Since it was established.
        lifetime: Duration,
        /// How, as a stable label.
        ending: &'static str,
    },
    /// A stream was asked for and refused.
    StreamRefused {
        /// Who asked.
        peer: SocketAddr,
        /// The tunnel it was asked for on, where there was one.
        tunnel: Option<TunnelId>,
        /// The tenant; empty where that is not known.
        subaccount: String,
        /// The location; empty where that is not known, and for the default one.
        location: String,
        /// Serial number of the connector's certificate; empty where that is not known.
        serial: String,
        /// The service asked for; empty where that is not known.
        service: String,
        /// A stable label.
        reason: &'static str,
    },
    /// A connector opened a local port.
    ChannelOpened {
        /// Where it listens.
        local: SocketAddr,
        /// Where it leads.
        endpoint: String,
    },
    /// What is configured changed while the process runs.
    Changed {
        /// Which part of it.
        what: &'static str,
        /// How, in words.
        detail: String,
        /// Why it is not in force, if it is not.
        refused: Option<String>,
    },
    /// Records are missing.
    Gap {
        /// How many.
        missing: u64,
        /// When the first of them was.
        from: SystemTime,
        /// When the last of them was.
        to: SystemTime,
        /// Why.
        reason: String,
    },
    /// Records were left out because many like them came before.
    Repeated {
        /// What they had in common.
        kind: String,
        /// How many.
        left_out: u64,
    },
}

impl Event {
    /// What a flood of this event has in common; nothing for those that are all written. Strangers
    /// and tenants that are refused must not be able to rotate other records away.
    pub(super) fn kind(&self) -> Option<String> {
        match self {
            Self::TunnelFailed { peer, reason, .. } => {
                let address = peer.map(|peer| peer.ip().to_string()).unwrap_or_default();
                Some(format!("tunnel_failed {reason} {address}"))
            }
            Self::StreamRefused { subaccount, service, reason, .. } => {
                Some(format!("stream_refuse {reason} {subaccount} {service}"))
            }
            _ => None,
        }
    }
}

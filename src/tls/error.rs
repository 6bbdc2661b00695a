//! Why a session ends, split by whose fault it is.

use std::error::Error;
use std::fmt;

use rustls::{AlertDescription, CertificateError, InvalidMessage, PeerIncompatible};

/// What is wrong with a peer's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CertificateFault {
    /// Its time is over.
    Expired,
    /// Its time has not begun.
    NotYetValid,
    /// No configured CA vouches for it.
    UnknownIssuer,
    /// A CRL lists it.
    Revoked,
    /// No CRL says whether it is revoked, or the CRL cannot be used.
    RevocationUnknown,
    /// It is valid for other names than the one dialled.
    WrongName,
    /// It is not made for this use (extended key usage, a CA's certificate used as a leaf).
    WrongPurpose,
    /// The peer presented none where one is required.
    Missing,
    /// A signature does not fit: a CA of the issuer's name is configured, but with another key.
    BadSignature,
    /// It cannot be read, or its extensions are not acceptable.
    Malformed,
}

/// Why a TLS session ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsError {
    /// We refuse the peer's certificate.
    Certificate(CertificateFault),
    /// The peer refuses our certificate, with this alert.
    RefusedByPeer(String),
    /// The peer ended the session with this alert.
    Alert(String),
    /// No protocol version in common.
    Version,
    /// No cipher suite, key exchange or signature scheme in common.
    NoSharedParameters(String),
    /// No application protocol (ALPN) in common.
    NoSharedAlpn,
    /// The peer does not speak TLS at all.
    NotTls,
    /// The peer broke the protocol.
    Misbehaved(String),
    /// A record does not authenticate: damaged or tampered with on the way.
    BadRecord,
    /// The name to dial is neither a host name nor an IP address.
    BadServerName(String),
    /// The caller gave too little room to seal into.
    OutputTooSmall,
    /// Our own fault, or the platform's.
    Internal(String),
}

impl TlsError {
    pub(super) fn internal(what: impl fmt::Display) -> Self {
        Self::Internal(what.to_string())
    }

    /// A stable name for counters and logs.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Certificate(fault) => fault.reason(),
            Self::RefusedByPeer(_) => "certificate_refused_by_peer",
            Self::Alert(_) => "alert_from_peer",
            Self::Version => "protocol_version",
            Self::NoSharedParameters(_) => "no_shared_parameters",
            Self::NoSharedAlpn => "no_shared_alpn",
            Self::NotTls => "not_tls",
            Self::Misbehaved(_) => "peer_misbehaved",
            Self::BadRecord => "bad_record",
            Self::BadServerName(_) => "bad_server_name",
            Self::OutputTooSmall => "output_too_small",
            Self::Internal(_) => "internal",
        }
    }
}

impl CertificateFault {
    /// A stable name for counters and logs.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Expired => "certificate_expired",
            Self::NotYetValid => "certificate_not_yet_valid",
            Self::UnknownIssuer => "certificate_unknown_issuer",
            Self::Revoked => "certificate_revoked",
            Self::RevocationUnknown => "certificate_revocation_unknown",
            Self::WrongName => "certificate_wrong_name",
            Self::WrongPurpose => "certificate_wrong_purpose",
            Self::Missing => "certificate_missing",
            Self::BadSignature => "certificate_bad_signature",
            Self::Malformed => "certificate_malformed",
        }
    }
}

impl fmt::Display for CertificateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => {
                "the peer's certificate has expired; renew it there, and compare the clocks"
            }
            Self::NotYetValid => {
                "the peer's certificate is not valid yet; compare the clocks of both machines"
            }
            Self::UnknownIssuer => {
                "no configured CA issued the peer's certificate; check that the CA file here holds \
                 the CA that signed it and that the peer sends its intermediate certificates"
            }
            Self::Revoked => "the peer's certificate is revoked by the CRL; issue a new one",
            Self::RevocationUnknown => {
                "the CRL does not tell whether the peer's certificate is revoked; check that the \
                 CRL is signed by the CA that issued it"
            }
            Self::WrongName => {
                "the peer's certificate is not valid for the name dialled; check the endpoint and \
                 the certificate's subject alternative names"
            }
            Self::WrongPurpose => {
                "the peer's certificate is not made for this use; check its extended key usage \
                 (clientAuth for a connector, serverAuth for a proxy)"
            }
            Self::Missing => "the peer presented no certificate; configure one there",
            Self::BadSignature => {
                "the configured CA has the name of the peer's CA but another key; after a CA was \
                 made anew, the CA file here and the peer's certificate must both be replaced"
            }
            Self::Malformed => "the peer's certificate cannot be read; issue it anew",
        })
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(fault) => fault.fmt(f),
            Self::RefusedByPeer(alert) => write!(
                f,
                "the peer refuses our certificate ({alert}); check its validity, its CA on the \
                 peer's side, and whether it was revoked"
            ),
            Self::Alert(alert) => {
                write!(f, "the peer ended the session with the alert {alert}; see its log")
            }
            Self::Version => f.write_str(
                "no TLS version in common; TLS 1.3 is spoken here, and 1.2 only where allow_tls12 \
                 is set",
            ),
            Self::NoSharedParameters(what) => {
                write!(f, "no cryptographic parameters in common with the peer ({what})")
            }
            Self::NoSharedAlpn => {
                f.write_str("no application protocol in common; h2 and http/1.1 are spoken here")
            }
            Self::NotTls => f.write_str(
                "the peer does not speak TLS; check the port, and that nothing in between \
                 terminates TLS or adds a PROXY header",
            ),
            Self::Misbehaved(what) => write!(f, "the peer broke the TLS protocol ({what})"),
            Self::BadRecord => {
                f.write_str("a TLS record does not authenticate; it was damaged on the way")
            }
            Self::BadServerName(name) => {
                write!(f, "{name:?} is neither a host name nor an IP address")
            }
            Self::OutputTooSmall => f.write_str("too little room to seal into; this is a bug"),
            Self::Internal(what) => write!(f, "TLS failed internally: {what}"),
        }
    }
}

impl Error for TlsError {}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        use rustls::Error as E;
        match error {
            E::InvalidCertificate(error) => Self::Certificate(error.into()),
            E::InvalidCertRevocationList(_) => {
                Self::Certificate(CertificateFault::RevocationUnknown)
            }
            E::NoCertificatesPresented => Self::Certificate(CertificateFault::Missing),
            E::AlertReceived(alert) => from_alert(alert),
            E::PeerIncompatible(
                PeerIncompatible::Tls12NotOffered
                | PeerIncompatible::Tls12NotOfferedOrEnabled
                | PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
                | PeerIncompatible::SupportedVersionsExtensionRequired,
            ) => Self::Version,
            E::PeerIncompatible(why) => Self::NoSharedParameters(format!("{why:?}")),
            E::NoApplicationProtocol => Self::NoSharedAlpn,
            E::DecryptError => Self::BadRecord,
            E::InvalidMessage(InvalidMessage::InvalidContentType) => {
                Self::Misbehaved("no TLS record".into())
            }
            E::InvalidMessage(why) => Self::Misbehaved(format!("invalid message: {why:?}")),
            E::PeerMisbehaved(why) => Self::Misbehaved(format!("{why:?}")),
            E::PeerSentOversizedRecord => Self::Misbehaved("oversized record".into()),
            error @ (E::InappropriateMessage { .. }
            | E::InappropriateHandshakeMessage { .. }
            | E::InvalidEncryptedClientHello(_)
            | E::UnsupportedNameType) => Self::Misbehaved(error.to_string()),
            error => Self::Internal(error.to_string()),
        }
    }
}

impl From<CertificateError> for CertificateFault {
    fn from(error: CertificateError) -> Self {
        use CertificateError as E;
        match error {
            E::Expired | E::ExpiredContext { .. } => Self::Expired,
            E::NotValidYet | E::NotValidYetContext { .. } => Self::NotYetValid,
            E::UnknownIssuer => Self::UnknownIssuer,
            E::Revoked => Self::Revoked,
            E::UnknownRevocationStatus
            | E::ExpiredRevocationList
            | E::ExpiredRevocationListContext { .. } => Self::RevocationUnknown,
            E::NotValidForName | E::NotValidForNameContext { .. } => Self::WrongName,
            E::BadSignature => Self::BadSignature,
            E::InvalidPurpose | E::InvalidPurposeContext { .. } => Self::WrongPurpose,
            _ => Self::Malformed,
        }
    }
}

fn from_alert(alert: AlertDescription) -> TlsError {
    use AlertDescription as A;
    let name = alert.as_str().map_or_else(|| format!("{alert:?}"), str::to_owned);
    match alert {
        A::NoCertificate
        | A::BadCertificate
        | A::UnsupportedCertificate
        | A::CertificateRevoked
        | A::CertificateExpired
        | A::CertificateUnknown
        | A::UnknownCA
        | A::AccessDenied
        | A::CertificateRequired => TlsError::RefusedByPeer(name),
        A::ProtocolVersion => TlsError::Version,
        A::HandshakeFailure | A::InsufficientSecurity => TlsError::NoSharedParameters(name),
        A::NoApplicationProtocol => TlsError::NoSharedAlpn,
        _ => TlsError::Alert(name),
    }
}

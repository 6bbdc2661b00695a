//! The connector's side of TLS.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{
    ResolvesClientCert, Resumption, UnbufferedClientConnection, WebPkiServerVerifier,
};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::limits;
use crate::tls::rustls_session::RustlsSession;
use crate::tls::{Alpn, Session, TlsError, provider};

/// How sessions are opened; cheap to clone, all clones share the tickets of earlier sessions.
#[derive(Clone)]
pub struct ClientTls {
    config: Arc<ClientConfig>,
}

impl ClientTls {
    pub(super) fn new(
        key: Arc<CertifiedKey>,
        roots: RootCertStore,
        alpn: &[Alpn],
        allow_tls12: bool,
    ) -> Result<Self, TlsError> {
        let provider = provider::provider();
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .map_err(TlsError::internal)?;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(provider::versions(allow_tls12))?
            .with_webpki_verifier(verifier)
            .with_client_cert_resolver(Arc::new(OneCertificate(key)));
        config.alpn_protocols = alpn.iter().map(|alpn| alpn.as_bytes().to_vec()).collect();
        config.resumption = Resumption::in_memory_sessions(limits::TLS_SESSIONS_REMEMBERED);
        Ok(Self { config: Arc::new(config) })
    }

    /// For tunnels to our own listener, to see that they open: it shows no certificate and takes
    /// any, because no more than "are you well?" goes through them. That the listener has the key
    /// of its certificate is checked as always; whether connectors trust that is for them to say.
    ///
    /// # Errors
    /// Our cryptography is unusable.
    pub fn of_ourselves() -> Result<Self, TlsError> {
        let provider = provider::provider();
        let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(provider::versions(false))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth();
        config.alpn_protocols = vec![Alpn::Http1.as_bytes().to_vec()];
        // A resumed handshake would not show that the private key works.
        config.resumption = Resumption::disabled();
        Ok(Self { config: Arc::new(config) })
    }

    /// A session to a peer that must prove to be `server_name`: a host name, or an IP address
    /// (also in brackets), which must then be among the certificate's IP addresses.
    ///
    /// # Errors
    /// `server_name` is neither.
    pub fn connect(&self, server_name: &str) -> Result<Box<dyn Session>, TlsError> {
        let bare = server_name
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'))
            .unwrap_or(server_name);
        let name = ServerName::try_from(bare.to_owned())
            .map_err(|_| TlsError::BadServerName(server_name.to_owned()))?;
        let connection = UnbufferedClientConnection::new(Arc::clone(&self.config), name)?;
        Ok(Box::new(RustlsSession::new(connection, None)))
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").finish_non_exhaustive()
    }
}

/// The same certificate for every server, whichever CAs it hints at: a proxy that cannot use it
/// then says so with an alert, instead of a 401 that looks as if none were configured.
#[derive(Debug)]
struct OneCertificate(Arc<CertifiedKey>);

impl ResolvesClientCert for OneCertificate {
    fn resolve(
        &self,
        _root_hint_subjects: &[&[u8]],
        schemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        self.0.key.choose_scheme(schemes).is_some().then(|| Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// Takes any certificate whose key its sender has; see [`ClientTls::of_ourselves`].
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

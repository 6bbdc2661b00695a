//! The proxy's side of TLS.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::pki_types::{CertificateRevocationListDer, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, UnbufferedServerConnection,
    WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::{DistinguishedName, RootCertStore};

use crate::limits;
use crate::tls::rustls_session::RustlsSession;
use crate::tls::{Alpn, CertificateDer, CertificateFault, Session, TlsError, provider};

/// How sessions are accepted; cheap to clone. Sessions keep what they were accepted with.
#[derive(Clone)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    clients: Arc<dyn ClientCertVerifier>,
}

/// What a [`ServerTls`] is made of.
pub(super) struct ServerParts {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) client_roots: RootCertStore,
    pub(super) crls: Vec<CertificateRevocationListDer<'static>>,
    pub(super) alpn: Vec<Alpn>,
    pub(super) allow_tls12: bool,
    pub(super) clock: Arc<dyn TimeProvider>,
}

impl ServerTls {
    pub(super) fn new(parts: ServerParts) -> Result<Self, TlsError> {
        let provider = provider::provider();
        let clients = client_verifier(parts.client_roots, parts.crls, &provider)?;
        let mut config = ServerConfig::builder_with_details(provider, parts.clock)
            .with_protocol_versions(provider::versions(parts.allow_tls12))?
            .with_client_cert_verifier(Arc::clone(&clients))
            .with_cert_resolver(Arc::new(OneCertificate(parts.key)));
        config.alpn_protocols = parts.alpn.iter().map(|alpn| alpn.as_bytes().to_vec()).collect();
        Ok(Self { config: Arc::new(with_tickets(config)?), clients })
    }

    /// A session for a connection just accepted.
    ///
    /// # Errors
    /// Only when the configuration cannot be used at all.
    pub fn accept(&self) -> Result<Box<dyn Session>, TlsError> {
        let connection = UnbufferedServerConnection::new(Arc::clone(&self.config))?;
        let clock = Arc::clone(&self.config.time_provider);
        Ok(Box::new(RustlsSession::new(connection, Some(clock))))
    }

    /// Whether a client with this certificate chain, leaf first, would be let in at `now`. With
    /// material loaded anew this tells which live sessions have lost their right to exist.
    ///
    /// # Errors
    /// Why the client would be refused.
    pub fn verify_client(
        &self,
        chain: &[CertificateDer<'static>],
        now: SystemTime,
    ) -> Result<(), TlsError> {
        let Some((leaf, intermediates)) = chain.split_first() else {
            return Err(TlsError::Certificate(CertificateFault::Missing));
        };
        let now = UnixTime::since_unix_epoch(now.duration_since(UNIX_EPOCH).unwrap_or_default());
        self.clients.verify_client_cert(leaf, intermediates, now)?;
        Ok(())
    }
}

/// Our order of cipher suites, and stateless tickets: no lock shared by the workers and no memory
/// per client. The keys are made anew with every load, so no ticket outlives the CA and CRL it was
/// issued under.
pub(super) fn with_tickets(mut config: ServerConfig) -> Result<ServerConfig, rustls::Error> {
    config.ignore_client_order = true;
    config.ticketer = Ticketer::new()?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = limits::TLS_TICKETS;
    config.max_tls13_tickets = limits::TLS_TICKETS;
    Ok(config)
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").finish_non_exhaustive()
    }
}

/// Asks for a client certificate and verifies one that is presented; a client without one is let
/// in, to be answered 401 on CONNECT where it can read why. A certificate that does not verify
/// ends the handshake.
///
/// Revocation, where CRLs are given: only the leaf is looked up, since that is what we name in
/// `pki revoke` and CAs above it are trusted or removed by the CA file. A CA without a CRL in the
/// file revokes nothing (loading warns about it): were that status denied, adding the first CRL
/// of one CA would cut off the clients of all others. It opens no way around a CRL, because
/// loading refuses CRLs that no CA of the file signed, and a client cannot choose its issuer. An
/// outdated CRL keeps revoking what it lists (loading warns): refusing everybody because a
/// publishing job stalled is the greater harm.
pub(super) fn client_verifier(
    roots: RootCertStore,
    crls: Vec<CertificateRevocationListDer<'static>>,
    provider: &Arc<rustls::crypto::CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let hint_bytes: usize = roots.subjects().iter().map(name_bytes).sum();
    let mut builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider))
            .with_crls(crls)
            .only_check_end_entity_revocation()
            .allow_unknown_revocation_status()
            .allow_unauthenticated();
    if hint_bytes > limits::CA_HINT_BYTES_MAX {
        builder = builder.clear_root_hint_subjects();
    }
    builder.build().map_err(TlsError::internal)
}

fn name_bytes(name: &DistinguishedName) -> usize {
    name.as_ref().len()
}

thread_local! {
    /// The name of the hello that this thread is processing. rustls' unbuffered connection does
    /// not tell it, but shows it to the certificate resolver, which it calls on our own stack.
    static ASKED_NAME: Cell<Option<Box<str>>> = const { Cell::new(None) };
}

/// The name asked for in the hello that was processed last on this thread, once.
pub(super) fn take_asked_name() -> Option<Box<str>> {
    ASKED_NAME.take()
}

/// The same certificate for every client; notes the name asked for.
#[derive(Debug)]
pub(super) struct OneCertificate(pub(super) Arc<CertifiedKey>);

impl ResolvesServerCert for OneCertificate {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        ASKED_NAME.set(hello.server_name().map(Box::from));
        Some(Arc::clone(&self.0))
    }
}

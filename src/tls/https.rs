//! A plain HTTPS server's side of TLS, for what is not a tunnel: no client certificates, and the
//! byte streams of an async runtime instead of our own sessions.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::time_provider::DefaultTimeProvider;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::tls::certificate::Purpose;
use crate::tls::material::own_key;
use crate::tls::pem::PemFile;
use crate::tls::server::OneCertificate;
use crate::tls::{Facts, MaterialError, MaterialProblem, provider};

/// Accepts HTTPS connections; cheap to clone.
#[derive(Clone)]
pub struct HttpsServer(tokio_rustls::TlsAcceptor);

/// An accepted connection.
pub type HttpsStream<S> = tokio_rustls::server::TlsStream<S>;

impl HttpsServer {
    /// Loads and checks a certificate chain and its key. `now` decides which warnings are due.
    ///
    /// # Errors
    /// Names the file, what is wrong with it and what to do.
    pub fn load(
        certificate: &Path,
        private_key: &Path,
        now: SystemTime,
    ) -> Result<(Self, Facts), MaterialError> {
        let (chain, key) = (PemFile::read(certificate)?, PemFile::read(private_key)?);
        let (own, facts) = own_key(&chain, &key, Purpose::Server, now)?;
        let unusable =
            |error: rustls::Error| chain.error(MaterialProblem::Unusable(error.to_string()));
        let clock = Arc::new(DefaultTimeProvider);
        // API servers of ten years ago speak 1.2.
        let mut config = ServerConfig::builder_with_details(provider::provider(), clock)
            .with_protocol_versions(provider::versions(true))
            .map_err(unusable)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(OneCertificate(own)));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok((Self(Arc::new(config).into()), facts))
    }

    /// Does the handshake of an accepted connection.
    ///
    /// # Errors
    /// The client is no TLS client, or it does not trust us.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> io::Result<HttpsStream<S>> {
        self.0.accept(stream).await
    }
}

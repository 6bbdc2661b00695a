//! Plain HTTPS, for what is not a tunnel: the byte streams of an async runtime instead of our own
//! sessions, and client certificates only where they are asked for.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls::time_provider::DefaultTimeProvider;
use rustls::{ClientConfig, ServerConfig};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::tls::certificate::Purpose;
use crate::tls::material::own_key;
use crate::tls::pem::PemFile;
use crate::tls::server::{OneCertificate, client_verifier};
use crate::tls::trust::Authorities;
use crate::tls::{Facts, MaterialError, MaterialProblem, certificate, provider};

/// Accepts HTTPS connections; cheap to clone.
#[derive(Clone)]
pub struct HttpsServer(tokio_rustls::TlsAcceptor);

/// An accepted connection.
pub type HttpsStream<S> = tokio_rustls::server::TlsStream<S>;

impl HttpsServer {
    /// Loads and checks a certificate chain and its key, and the authorities of clients that may
    /// show a certificate. `now` decides which warnings are due.
    ///
    /// # Errors
    /// Names the file, what is wrong with it and what to do.
    pub fn load(
        certificate: &Path,
        private_key: &Path,
        client_ca: Option<&Path>,
        now: SystemTime,
    ) -> Result<(Self, Facts), MaterialError> {
        let (chain, key) = (PemFile::read(certificate)?, PemFile::read(private_key)?);
        let (own, mut facts) = own_key(&chain, &key, Purpose::Server, now)?;
        let unusable =
            |error: rustls::Error| chain.error(MaterialProblem::Unusable(error.to_string()));
        let clock = Arc::new(DefaultTimeProvider);
        // API servers of ten years ago speak 1.2.
        let config = ServerConfig::builder_with_details(provider::provider(), clock)
            .with_protocol_versions(provider::versions(true))
            .map_err(unusable)?;
        let config = match client_ca {
            None => config.with_no_client_auth(),
            Some(client_ca) => {
                let client_ca = PemFile::read(client_ca)?;
                let (_, roots) = Authorities::read(&client_ca, now, &mut facts.warnings)?;
                let clients =
                    client_verifier(roots, Vec::new(), &provider::provider()).map_err(|error| {
                        client_ca.error(MaterialProblem::Unusable(error.to_string()))
                    })?;
                config.with_client_cert_verifier(clients)
            }
        };
        let mut config = config.with_cert_resolver(Arc::new(OneCertificate(own)));
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

/// SHA-256, in hexadecimal, of the certificate that the client of an accepted connection showed;
/// one that is not of the authorities asked for has ended the handshake.
pub fn shown_certificate<S>(stream: &HttpsStream<S>) -> Option<String> {
    stream.get_ref().1.peer_certificates()?.first().map(|leaf| sha256_of(leaf))
}

/// SHA-256, in hexadecimal, of the first certificate of a PEM text, called `name` in errors.
///
/// # Errors
/// It holds no certificate, or one that cannot be read.
pub fn sha256_of_certificate(name: &str, pem: &str) -> Result<String, MaterialError> {
    let file = PemFile::of(name, pem)?;
    // There is a first one, or it is an error.
    let leaf = file.certificates()?.swap_remove(0);
    certificate::parse(&leaf)
        .map_err(|why| file.error(MaterialProblem::BadCertificate { position: 1, why }))?;
    Ok(sha256_of(&leaf))
}

fn sha256_of(der: &[u8]) -> String {
    digest(&SHA256, der).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Opens HTTPS connections to servers of an authority; cheap to clone.
#[derive(Clone)]
pub struct HttpsClient(tokio_rustls::TlsConnector);

impl HttpsClient {
    /// Loads the authority, and the certificate and key to show where there are such.
    ///
    /// # Errors
    /// Names the file, what is wrong with it and what to do.
    pub fn load(
        ca: &Path,
        own: Option<(&Path, &Path)>,
        now: SystemTime,
    ) -> Result<Self, MaterialError> {
        let ca = PemFile::read(ca)?;
        let unusable =
            |error: rustls::Error| ca.error(MaterialProblem::Unusable(error.to_string()));
        let (_, roots) = Authorities::read(&ca, now, &mut Vec::new())?;
        let clock = Arc::new(DefaultTimeProvider);
        let config = ClientConfig::builder_with_details(provider::provider(), clock)
            .with_protocol_versions(provider::versions(false))
            .map_err(unusable)?
            .with_root_certificates(roots);
        let mut config = match own {
            None => config.with_no_client_auth(),
            Some((certificate, private_key)) => {
                let (chain, key) = (PemFile::read(certificate)?, PemFile::read(private_key)?);
                let (own, _) = own_key(&chain, &key, Purpose::Client, now)?;
                config.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(own)))
            }
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config).into()))
    }

    /// Does the handshake of a connection to `host`, a name or an address.
    ///
    /// # Errors
    /// The server is no TLS server, or not of the authority, or not of that name.
    pub async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        host: &str,
        stream: S,
    ) -> io::Result<tokio_rustls::client::TlsStream<S>> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        self.0.connect(name, stream).await
    }
}

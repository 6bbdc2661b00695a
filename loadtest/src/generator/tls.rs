//! TLS as a client: what every contestant is offered, so that all of them agree on the same.

use std::{path::PathBuf, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use tokio::{io::BufReader, net::TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::failure::{Failure, While as _};

/// TLS over a socket that is read in large pieces: rustls alone asks for 4 KiB at a time.
pub(super) type Secured = TlsStream<BufReader<TcpStream>>;

/// Where a client finds its certificate and whom it trusts.
#[derive(Debug, Clone)]
pub(crate) struct ClientFiles {
    /// PEM of the authorities that servers' certificates may come from.
    pub(crate) ca: PathBuf,
    /// PEM of the client's certificate and key; servers that ask for none need neither.
    pub(crate) identity: Option<(PathBuf, PathBuf)>,
    /// The name asked for, and expected in the server's certificate.
    pub(crate) server_name: String,
}

/// Opens TLS connections.
pub(super) struct TlsClient {
    connector: TlsConnector,
    name: ServerName<'static>,
}

/// One cipher and one key exchange, which every contestant has: AES-128-GCM is what servers prefer,
/// X25519 the one group that an OpenSSL of any age shares with rustls.
pub(crate) fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256],
        kx_groups: vec![aws_lc_rs::kx_group::X25519],
        ..aws_lc_rs::default_provider()
    }
}

/// The certificates of a PEM file.
pub(crate) fn certificates(path: &PathBuf) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let read = CertificateDer::pem_file_iter(path).during(path.display())?;
    let certificates: Vec<_> = read.collect::<Result<_, _>>().during(path.display())?;
    if certificates.is_empty() {
        return Err(Failure(format!("{} holds no certificate in PEM", path.display())));
    }
    Ok(certificates)
}

/// The authorities of a PEM file.
pub(crate) fn roots(path: &PathBuf) -> Result<RootCertStore, Failure> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).during(path.display())?;
    }
    Ok(roots)
}

/// What a client offers; without `resume` every handshake is a full one.
pub(crate) fn client_config(
    files: &ClientFiles,
    alpn: &[u8],
    resume: bool,
) -> Result<ClientConfig, Failure> {
    let builder = ClientConfig::builder_with_provider(Arc::new(provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .during("TLS 1.3")?
        .with_root_certificates(roots(&files.ca)?);
    let mut config = match &files.identity {
        Some((certificate, key)) => {
            let secret = PrivateKeyDer::from_pem_file(key).during(key.display())?;
            builder
                .with_client_auth_cert(certificates(certificate)?, secret)
                .during(certificate.display())?
        }
        None => builder.with_no_client_auth(),
    };
    if !alpn.is_empty() {
        config.alpn_protocols = vec![alpn.to_vec()];
    }
    if !resume {
        config.resumption = Resumption::disabled();
    }
    Ok(config)
}

impl TlsClient {
    /// Reads the files.
    pub(super) fn load(files: &ClientFiles, alpn: &[u8], resume: bool) -> Result<Self, Failure> {
        let config = client_config(files, alpn, resume)?;
        let name = ServerName::try_from(files.server_name.clone()).during(&files.server_name)?;
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name })
    }

    /// Shakes hands; `read_bytes` is the size of the pieces in which the socket is read.
    pub(super) async fn secure(
        &self,
        socket: TcpStream,
        read_bytes: usize,
    ) -> Result<Secured, Failure> {
        let socket = BufReader::with_capacity(read_bytes, socket);
        self.connector.connect(self.name.clone(), socket).await.during("TLS handshake")
    }
}

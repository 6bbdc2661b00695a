//! The command line of the relay, and its TLS.

use std::{net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc};

use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use tokio_rustls::TlsAcceptor;

use super::forward;
use crate::{
    failure::{Failure, While as _},
    generator::{certificates, provider, roots},
};

/// TLS with client certificates in front, plain TCP behind.
#[derive(Debug, clap::Args)]
pub(crate) struct RelayArgs {
    /// Where it listens.
    #[arg(long)]
    listen: SocketAddr,
    /// Where every stream goes.
    #[arg(long)]
    service: SocketAddr,
    /// PEM: its certificate.
    #[arg(long)]
    certificate: PathBuf,
    /// PEM: the key of it.
    #[arg(long)]
    key: PathBuf,
    /// PEM: the authorities of clients' certificates.
    #[arg(long)]
    client_ca: PathBuf,
    /// Many streams a connection by HTTP/2 CONNECT; otherwise one, without HTTP.
    #[arg(long)]
    h2: bool,
}

impl RelayArgs {
    /// Serves until the process is ended.
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let acceptor = self.acceptor()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(forward::serve(self.listen, self.service, acceptor, self.h2))?;
        Ok(ExitCode::SUCCESS)
    }

    fn acceptor(&self) -> Result<TlsAcceptor, Failure> {
        let provider = Arc::new(provider());
        let roots = Arc::new(roots(&self.client_ca)?);
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider))
            .build()
            .during(self.client_ca.display())?;
        let key = PrivateKeyDer::from_pem_file(&self.key).during(self.key.display())?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .during("TLS 1.3")?
            .with_client_cert_verifier(verifier)
            .with_single_cert(certificates(&self.certificate)?, key)
            .during(self.certificate.display())?;
        if self.h2 {
            config.alpn_protocols = vec![b"h2".to_vec()];
        }
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

//! TLS on a connector's local ports: its clients are programs of the company's own network.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::ServerConfig;
use rustls::server::{UnbufferedServerConnection, WebPkiClientVerifier};
use rustls::time_provider::DefaultTimeProvider;

use crate::tls::certificate::Purpose;
use crate::tls::material::own_key;
use crate::tls::pem::PemFile;
use crate::tls::rustls_session::RustlsSession;
use crate::tls::server::{OneCertificate, with_tickets};
use crate::tls::trust::Authorities;
use crate::tls::{
    CertificateEntry, CertificateUse, Facts, Fingerprint, MaterialError, MaterialProblem, Session,
    TlsError, inventory, provider,
};

/// The files of the local ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortFiles {
    /// The certificate chain that clients are shown, leaf first.
    pub certificate: PathBuf,
    /// Its private key.
    pub private_key: PathBuf,
    /// The authorities of which every client must show a certificate, if they must.
    pub client_ca: Option<PathBuf>,
}

/// How sessions of local clients are accepted; cheap to clone. Sessions keep what they were
/// accepted with.
#[derive(Clone)]
pub struct PortTls(Arc<ServerConfig>);

impl PortTls {
    /// A session for a connection just accepted.
    ///
    /// # Errors
    /// Only when the configuration cannot be used at all.
    pub fn accept(&self) -> Result<Box<dyn Session>, TlsError> {
        let connection = UnbufferedServerConnection::new(Arc::clone(&self.0))?;
        let clock = Arc::clone(&self.0.time_provider);
        Ok(Box::new(RustlsSession::new(connection, Some(clock))))
    }
}

impl fmt::Debug for PortTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortTls").finish_non_exhaustive()
    }
}

/// The files of the local ports, loaded.
#[derive(Debug, Clone)]
pub struct PortMaterial {
    /// Accepts sessions.
    pub tls: PortTls,
    /// What the certificate says.
    pub facts: Facts,
    /// Everything the files hold.
    pub inventory: Vec<CertificateEntry>,
    /// Changes when any byte of the files does.
    pub fingerprint: Fingerprint,
}

/// Loads and checks the files of the local ports. `now` decides which warnings are due.
///
/// No application protocol is agreed: what is spoken inside is the service's business.
///
/// # Errors
/// Names the file, what is wrong with it and what to do.
pub fn load_port(files: &PortFiles, now: SystemTime) -> Result<PortMaterial, MaterialError> {
    let certificate = PemFile::read(&files.certificate)?;
    let private_key = PemFile::read(&files.private_key)?;
    let client_ca = files.client_ca.as_deref().map(PemFile::read).transpose()?;
    let (own, mut facts) = own_key(&certificate, &private_key, Purpose::Server, now)?;
    let unusable =
        |error: rustls::Error| certificate.error(MaterialProblem::Unusable(error.to_string()));
    let clock = Arc::new(DefaultTimeProvider);
    // Programs that are not to be touched are why there are such ports; old ones speak 1.2.
    let config = ServerConfig::builder_with_details(provider::provider(), clock)
        .with_protocol_versions(provider::versions(true))
        .map_err(unusable)?;
    let config = match &client_ca {
        None => config.with_no_client_auth(),
        Some(client_ca) => {
            let (authorities, roots) = Authorities::read(client_ca, now, &mut facts.warnings)?;
            facts.authority_not_after = authorities.first_end;
            let roots = Arc::new(roots);
            let clients =
                WebPkiClientVerifier::builder_with_provider(roots, provider::provider()).build();
            config.with_client_cert_verifier(
                clients.map_err(|error| {
                    client_ca.error(MaterialProblem::Unusable(error.to_string()))
                })?,
            )
        }
    };
    let config = config.with_cert_resolver(Arc::new(OneCertificate(own)));
    let config = with_tickets(config).map_err(unusable)?;
    let mut entries = inventory::certificates(&certificate, CertificateUse::Own);
    let trusted = client_ca.iter();
    entries.extend(trusted.flat_map(|ca| inventory::certificates(ca, CertificateUse::Trusted)));
    Ok(PortMaterial {
        tls: PortTls(Arc::new(config)),
        facts,
        inventory: entries,
        fingerprint: Fingerprint::of([&certificate, &private_key].into_iter().chain(&client_ca)),
    })
}

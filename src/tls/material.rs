//! Certificates, keys, CAs and CRLs from files, loaded as a set: either all of it can be used or
//! the error names the file. A certificate outside its validity can be used, with a warning:
//! refusing to start would not make it younger.

use std::fmt;
use std::hash::{DefaultHasher, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustls::sign::CertifiedKey;
use rustls::time_provider::DefaultTimeProvider;
use rustls::{Error as RustlsError, InconsistentKeys};
use x509_parser::x509::X509Version;

use crate::tls::certificate::Purpose;
use crate::tls::pem::PemFile;
use crate::tls::server::ServerParts;
use crate::tls::trust::Authorities;
use crate::tls::{
    Alpn, CertificateEntry, CertificateUse, ClientTls, Facts, MaterialError, MaterialProblem,
    ServerTls, TlsError, certificate, inventory, provider,
};

/// The files of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFiles {
    /// Its certificate chain, leaf first.
    pub certificate: PathBuf,
    /// Its private key.
    pub private_key: PathBuf,
    /// The CAs of its clients.
    pub client_ca: PathBuf,
    /// Revocation lists of those CAs.
    pub crl: Option<PathBuf>,
}

/// The files of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientFiles {
    /// Its certificate chain, leaf first.
    pub certificate: PathBuf,
    /// Its private key.
    pub private_key: PathBuf,
    /// The CAs of the servers it dials.
    pub ca: PathBuf,
}

/// What a client's files hold, where it is kept elsewhere.
#[derive(Clone, PartialEq, Eq)]
pub struct PemMaterial {
    /// Its certificate chain, leaf first.
    pub certificate: String,
    /// Its private key.
    pub private_key: String,
    /// The CAs of the servers it dials.
    pub ca: String,
}

impl fmt::Debug for PemMaterial {
    /// Without the private key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { certificate, ca, .. } = self;
        f.debug_struct("PemMaterial").field("certificate", certificate).field("ca", ca).finish()
    }
}

/// A server's files, loaded.
#[derive(Debug, Clone)]
pub struct ServerMaterial {
    /// Accepts sessions.
    pub tls: ServerTls,
    /// What the server's certificate says.
    pub facts: Facts,
    /// Everything the files hold.
    pub inventory: Vec<CertificateEntry>,
    /// Changes when any byte of the files does.
    pub fingerprint: Fingerprint,
}

/// A client's files, loaded.
#[derive(Debug, Clone)]
pub struct ClientMaterial {
    /// Opens sessions.
    pub tls: ClientTls,
    /// What the client's certificate says.
    pub facts: Facts,
    /// Everything the files hold.
    pub inventory: Vec<CertificateEntry>,
    /// Changes when any byte of the files does.
    pub fingerprint: Fingerprint,
}

/// A hash of all bytes of a set of files. It tells change, not authenticity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    pub(super) fn of<'a>(files: impl IntoIterator<Item = &'a PemFile>) -> Self {
        let mut hasher = DefaultHasher::new();
        for file in files {
            hasher.write_usize(file.bytes().len());
            hasher.write(file.bytes());
        }
        Self(hasher.finish())
    }
}

impl ServerFiles {
    /// The fingerprint of the files as they are now, without loading them.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub fn fingerprint(&self) -> Result<Fingerprint, MaterialError> {
        let (files, crl) = self.read()?;
        Ok(Fingerprint::of(files.iter().chain(&crl)))
    }

    fn read(&self) -> Result<([PemFile; 3], Option<PemFile>), MaterialError> {
        let crl = self.crl.as_deref().map(PemFile::read).transpose()?;
        Ok((read_three(&self.certificate, &self.private_key, &self.client_ca)?, crl))
    }
}

impl ClientFiles {
    /// The fingerprint of the files as they are now, without loading them.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub fn fingerprint(&self) -> Result<Fingerprint, MaterialError> {
        Ok(Fingerprint::of(&self.read()?))
    }

    fn read(&self) -> Result<[PemFile; 3], MaterialError> {
        read_three(&self.certificate, &self.private_key, &self.ca)
    }
}

/// Loads and checks a server's files. `now` decides which warnings are due.
///
/// # Errors
/// Names the file, what is wrong with it and what to do.
pub fn load_server(
    files: &ServerFiles,
    alpn: &[Alpn],
    allow_tls12: bool,
    now: SystemTime,
) -> Result<ServerMaterial, MaterialError> {
    let (read, crl) = files.read()?;
    let [certificate, private_key, client_ca] = &read;
    let (key, mut facts) = own_key(certificate, private_key, Purpose::Server, now)?;
    let (authorities, client_roots) = Authorities::read(client_ca, now, &mut facts.warnings)?;
    facts.authority_not_after = authorities.first_end;
    let crls = match &crl {
        Some(crl) => authorities.read_revocation_lists(crl, client_ca, now, &mut facts.warnings)?,
        None => Vec::new(),
    };
    let tls = ServerTls::new(ServerParts {
        key,
        client_roots,
        crls,
        alpn: alpn.to_vec(),
        allow_tls12,
        clock: Arc::new(DefaultTimeProvider),
    })
    .map_err(|error| unusable(crl.as_ref().unwrap_or(certificate), &error))?;
    let mut inventory = inventory_of(certificate, client_ca);
    inventory.extend(crl.iter().flat_map(inventory::revocation_lists));
    let fingerprint = Fingerprint::of(read.iter().chain(&crl));
    Ok(ServerMaterial { tls, facts, inventory, fingerprint })
}

/// Loads and checks a client's files. `now` decides which warnings are due.
///
/// # Errors
/// Names the file, what is wrong with it and what to do.
pub fn load_client(
    files: &ClientFiles,
    alpn: &[Alpn],
    allow_tls12: bool,
    now: SystemTime,
) -> Result<ClientMaterial, MaterialError> {
    client_of(&files.read()?, alpn, allow_tls12, now)
}

/// Checks what a client's files would hold. `now` decides which warnings are due.
///
/// # Errors
/// Names the part (`certificate`, `privateKey`, `ca`), what is wrong with it and what to do.
pub fn load_client_pem(
    pem: &PemMaterial,
    alpn: &[Alpn],
    allow_tls12: bool,
    now: SystemTime,
) -> Result<ClientMaterial, MaterialError> {
    let parts = [
        PemFile::of("certificate", &pem.certificate)?,
        PemFile::of("privateKey", &pem.private_key)?,
        PemFile::of("ca", &pem.ca)?,
    ];
    client_of(&parts, alpn, allow_tls12, now)
}

/// What the first certificate of a PEM text says, if there is one.
#[must_use]
pub fn leaf_of(certificate: &str) -> Option<CertificateEntry> {
    let file = PemFile::of("certificate", certificate).ok()?;
    inventory::certificates(&file, CertificateUse::Own).into_iter().next()
}

fn client_of(
    read: &[PemFile; 3],
    alpn: &[Alpn],
    allow_tls12: bool,
    now: SystemTime,
) -> Result<ClientMaterial, MaterialError> {
    let [certificate, private_key, ca] = read;
    let (key, mut facts) = own_key(certificate, private_key, Purpose::Client, now)?;
    let (authorities, roots) = Authorities::read(ca, now, &mut facts.warnings)?;
    facts.authority_not_after = authorities.first_end;
    let tls = ClientTls::new(key, roots, alpn, allow_tls12)
        .map_err(|error| unusable(certificate, &error))?;
    let inventory = inventory_of(certificate, ca);
    Ok(ClientMaterial { tls, facts, inventory, fingerprint: Fingerprint::of(read) })
}

fn inventory_of(certificate: &PemFile, ca: &PemFile) -> Vec<CertificateEntry> {
    let own = inventory::certificates(certificate, CertificateUse::Own);
    own.into_iter().chain(inventory::certificates(ca, CertificateUse::Trusted)).collect()
}

fn read_three(one: &Path, two: &Path, three: &Path) -> Result<[PemFile; 3], MaterialError> {
    Ok([PemFile::read(one)?, PemFile::read(two)?, PemFile::read(three)?])
}

/// Our own chain and key, which must belong together.
pub(super) fn own_key(
    certificate: &PemFile,
    private_key: &PemFile,
    purpose: Purpose,
    now: SystemTime,
) -> Result<(Arc<CertifiedKey>, Facts), MaterialError> {
    let chain = certificate.certificates()?;
    for (index, der) in chain.iter().enumerate() {
        let bad =
            |why| certificate.error(MaterialProblem::BadCertificate { position: index + 1, why });
        if certificate::parse(der).map_err(bad)?.version() != X509Version::V3 {
            // What openssl makes when it is given no extension; peers cannot read it.
            let why = "it is not of X.509 version 3, issue it with at least one extension";
            return Err(bad(why.into()));
        }
    }
    let facts = Facts::of(&chain[0], purpose, now)
        .map_err(|why| certificate.error(MaterialProblem::BadCertificate { position: 1, why }))?;
    let key = provider::provider()
        .key_provider
        .load_private_key(private_key.private_key()?)
        .map_err(|error| private_key.error(MaterialProblem::BadKey(error.to_string())))?;
    let key = CertifiedKey::new(chain, key);
    match key.keys_match() {
        Ok(()) | Err(RustlsError::InconsistentKeys(InconsistentKeys::Unknown)) => {}
        Err(RustlsError::InconsistentKeys(_)) => {
            let certificate = certificate.path().to_owned();
            return Err(private_key.error(MaterialProblem::KeyMismatch { certificate }));
        }
        Err(error) => {
            let why = error.to_string();
            return Err(certificate.error(MaterialProblem::BadCertificate { position: 1, why }));
        }
    }
    Ok((Arc::new(key), facts))
}

fn unusable(file: &PemFile, error: &TlsError) -> MaterialError {
    file.error(MaterialProblem::Unusable(error.to_string()))
}

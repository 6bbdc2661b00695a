//! Reading PEM files strictly: a block that cannot be read is an error, never skipped.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{Error as PemError, PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

use crate::limits::FILE_BYTES_MAX;
use crate::tls::{MaterialError, MaterialProblem};

/// One file as it was read.
pub(super) struct PemFile {
    path: PathBuf,
    bytes: Vec<u8>,
}

impl PemFile {
    pub(super) fn read(path: &Path) -> Result<Self, MaterialError> {
        let bytes = read(path)?;
        Ok(Self { path: path.to_owned(), bytes })
    }

    /// A text that somebody sent, called as they call it.
    pub(super) fn of(name: &str, text: &str) -> Self {
        Self { path: name.into(), bytes: text.as_bytes().to_vec() }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn error(&self, problem: MaterialProblem) -> MaterialError {
        MaterialError { path: self.path.clone(), problem }
    }

    /// All certificates, at least one.
    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, MaterialError> {
        let certificates: Vec<_> = self
            .sections()?
            .into_iter()
            .filter(|(kind, _)| *kind == SectionKind::Certificate)
            .map(|(_, der)| CertificateDer::from(der))
            .collect();
        if certificates.is_empty() {
            return Err(self.error(MaterialProblem::Missing("CERTIFICATE")));
        }
        Ok(certificates)
    }

    /// The only private key.
    pub(super) fn private_key(&self) -> Result<PrivateKeyDer<'static>, MaterialError> {
        let mut keys = self
            .sections()?
            .into_iter()
            .filter_map(|(kind, der)| PrivateKeyDer::from_pem(kind, der));
        match (keys.next(), keys.next()) {
            (Some(key), None) => Ok(key),
            (Some(_), Some(_)) => Err(self.error(MaterialProblem::SeveralKeys)),
            (None, _) => Err(self.error(MaterialProblem::Missing("PRIVATE KEY"))),
        }
    }

    /// All revocation lists, at least one.
    pub(super) fn revocation_lists(
        &self,
    ) -> Result<Vec<CertificateRevocationListDer<'static>>, MaterialError> {
        let lists: Vec<_> = self
            .sections()?
            .into_iter()
            .filter(|(kind, _)| *kind == SectionKind::Crl)
            .map(|(_, der)| CertificateRevocationListDer::from(der))
            .collect();
        if lists.is_empty() {
            return Err(self.error(MaterialProblem::Missing("X509 CRL")));
        }
        Ok(lists)
    }

    fn sections(&self) -> Result<Vec<(SectionKind, Vec<u8>)>, MaterialError> {
        self.check_labels()?;
        <(SectionKind, Vec<u8>)>::pem_slice_iter(&self.bytes)
            .collect::<Result<_, _>>()
            .map_err(|error| self.error(MaterialProblem::BadPem(pem_problem(&error))))
    }

    /// The PEM reader skips labels it does not know. Those that hold what was asked for in a form
    /// we cannot use must be told instead.
    fn check_labels(&self) -> Result<(), MaterialError> {
        for line in self.bytes.split(|byte| matches!(byte, b'\n' | b'\r')) {
            let Some(label) = line.strip_prefix(b"-----BEGIN ") else { continue };
            let label = String::from_utf8_lossy(label);
            let label = label.trim_end().trim_end_matches('-');
            match label {
                "ENCRYPTED PRIVATE KEY" => return Err(self.error(MaterialProblem::EncryptedKey)),
                "TRUSTED CERTIFICATE" | "X509 CERTIFICATE" | "PKCS7" => {
                    return Err(self.error(MaterialProblem::UnknownLabel(label.to_owned())));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<Vec<u8>, MaterialError> {
    let error = |problem| MaterialError { path: path.to_owned(), problem };
    let unreadable = |why| error(MaterialProblem::Unreadable(why));
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > FILE_BYTES_MAX) {
        return Err(error(MaterialProblem::TooLarge));
    }
    Ok(bytes)
}

fn pem_problem(error: &PemError) -> String {
    match error {
        PemError::MissingSectionEnd { end_marker } => {
            format!("a block has no end ({})", String::from_utf8_lossy(end_marker))
        }
        PemError::IllegalSectionStart { line } => {
            format!("the line {:?} does not begin a block", String::from_utf8_lossy(line))
        }
        PemError::Base64Decode(why) => format!("a block is not base64: {why}"),
        other => other.to_string(),
    }
}

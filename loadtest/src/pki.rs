//! Throw-away certificates of a comparison, ECDSA P-256 throughout, in a directory.

use std::{
    fs,
    path::{Path, PathBuf},
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

use crate::{
    failure::{Failure, While as _},
    generator::ClientFiles,
};

/// The subaccount that the client's certificate names.
pub(crate) const SUBACCOUNT: &str = "loadtest";
/// The name of the server's certificate.
pub(crate) const SERVER_NAME: &str = "localhost";

/// A directory with `ca.crt`, and certificate, key and both in one file of `server` and `client`.
#[derive(Debug, Clone)]
pub(crate) struct Pki {
    directory: PathBuf,
}

impl Pki {
    /// Makes all of them.
    pub(crate) fn make(directory: &Path) -> Result<Self, Failure> {
        let pki = Self { directory: directory.to_owned() };
        pki.fill().during("making certificates")?;
        Ok(pki)
    }

    fn fill(&self) -> Result<(), Failure> {
        let text = |error: rcgen::Error| Failure(error.to_string());
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Causeway load test CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().map_err(text)?;
        let certificate = params.self_signed(&key).map_err(text)?;
        fs::write(self.path("ca.crt"), certificate.pem())?;
        let issuer = Issuer::new(params, key);

        let name = SERVER_NAME.try_into().map_err(text)?;
        self.issue(&issuer, "server", SanType::DnsName(name), ExtendedKeyUsagePurpose::ServerAuth)?;
        let urn = format!("urn:causeway:subaccount:{SUBACCOUNT}");
        let urn = SanType::URI(urn.as_str().try_into().map_err(text)?);
        self.issue(&issuer, "client", urn, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn issue(
        &self,
        issuer: &Issuer<'_, KeyPair>,
        name: &str,
        san: SanType,
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<(), Failure> {
        let text = |error: rcgen::Error| Failure(error.to_string());
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.subject_alt_names = vec![san];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(text)?;
        let certificate = params.signed_by(&key, issuer).map_err(text)?.pem();
        let key = key.serialize_pem();
        fs::write(self.path(&format!("{name}.crt")), &certificate)?;
        fs::write(self.path(&format!("{name}.key")), &key)?;
        // HAProxy wants both in one file.
        fs::write(self.path(&format!("{name}.pem")), certificate + &key)?;
        Ok(())
    }

    /// One of the files.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// What a client needs.
    pub(crate) fn client(&self) -> ClientFiles {
        ClientFiles {
            ca: self.path("ca.crt"),
            identity: Some((self.path("client.crt"), self.path("client.key"))),
            server_name: SERVER_NAME.to_owned(),
        }
    }
}

//! Making certificates: for `causeway pki`, `causeway demo` and tests. ECDSA P-256 throughout.
//! Nothing is written and no clock is read here.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::time::SystemTime;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, PublicKeyData,
    RevokedCertParams, SanType, SerialNumber,
};
use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject;
use time::OffsetDateTime;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

use crate::tls::certificate::{parse, system_time};
use crate::tls::{CertificateDer, identity};

/// A CA: its certificate and its key.
pub struct Authority {
    certificate: CertificateDer<'static>,
    certificate_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// From when until when a certificate or list is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first moment.
    pub not_before: SystemTime,
    /// The last moment.
    pub not_after: SystemTime,
}

/// A certificate with its key. The key is secret: no `Debug`.
pub struct Issued {
    /// The certificate, PEM.
    pub certificate_pem: String,
    /// The private key, PEM (PKCS #8).
    pub private_key_pem: String,
}

/// A certificate that is not valid any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Revoked {
    /// Since when.
    pub since: SystemTime,
}

/// Why nothing was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IssueError {
    /// The CA's certificate or key cannot be used.
    BadAuthority(String),
    /// What was asked for is not possible.
    BadRequest(String),
}

impl fmt::Display for IssueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadAuthority(why) => write!(f, "the CA cannot be used: {why}"),
            Self::BadRequest(why) => f.write_str(why),
        }
    }
}

impl Error for IssueError {}

impl From<rcgen::Error> for IssueError {
    fn from(error: rcgen::Error) -> Self {
        Self::BadRequest(error.to_string())
    }
}

impl Authority {
    /// Makes a new CA and its private key (PEM).
    ///
    /// # Errors
    /// The name or the validity cannot be put into a certificate.
    pub fn create(name: &str, validity: Validity) -> Result<(Self, Issued), IssueError> {
        let mut params = params(name, validity)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        let issued =
            Issued { certificate_pem: certificate.pem(), private_key_pem: key.serialize_pem() };
        let authority = Self {
            certificate: certificate.der().clone(),
            certificate_pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        };
        Ok((authority, issued))
    }

    /// Takes up a CA made earlier, here or elsewhere.
    ///
    /// # Errors
    /// One of the two cannot be read, or they do not belong together.
    pub fn load(certificate_pem: &str, private_key_pem: &str) -> Result<Self, IssueError> {
        let bad = |why: &dyn fmt::Display| IssueError::BadAuthority(why.to_string());
        let certificate =
            CertificateDer::from_pem_slice(certificate_pem.as_bytes()).map_err(|e| bad(&e))?;
        let key = KeyPair::from_pem(private_key_pem).map_err(|e| bad(&e))?;
        let parsed = parse(&certificate).map_err(|e| bad(&e))?;
        if !parsed.is_ca() {
            return Err(bad(&"its certificate is not a CA's"));
        }
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(bad(&"its certificate and its key do not belong together"));
        }
        let issuer = Issuer::from_ca_cert_der(&certificate, key).map_err(|e| bad(&e))?;
        Ok(Self {
            certificate_pem: certificate_pem.to_owned(),
            issuer,
            certificate: certificate.clone(),
        })
    }

    /// The CA's certificate, PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Issues a server's certificate for host names and IP addresses, at least one.
    ///
    /// # Errors
    /// No name, or one that is neither a host name nor an IP address.
    pub fn issue_server(&self, hosts: &[&str], validity: Validity) -> Result<Issued, IssueError> {
        let Some(first) = hosts.first() else {
            return Err(IssueError::BadRequest("a server needs at least one host name".into()));
        };
        let mut params = params(first, validity)?;
        for host in hosts {
            params.subject_alt_names.push(host_name(host)?);
        }
        self.issue(params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// Issues a connector's certificate for a subaccount, bound to a location where one is given.
    ///
    /// # Errors
    /// An id is empty, too long or cannot be printed.
    pub fn issue_connector(
        &self,
        subaccount: &str,
        location: Option<&str>,
        validity: Validity,
    ) -> Result<Issued, IssueError> {
        let bad = |error: identity::IdentityError| {
            IssueError::BadRequest(error.to_string().replace("the certificate's", "the"))
        };
        let mut params = params(subaccount, validity)?;
        let mut urns = vec![identity::subaccount_urn(subaccount).map_err(bad)?];
        if let Some(location) = location {
            urns.push(identity::location_urn(location).map_err(bad)?);
        }
        for urn in urns {
            params.subject_alt_names.push(SanType::URI(urn.try_into()?));
        }
        self.issue(params, ExtendedKeyUsagePurpose::ClientAuth)
    }

    /// The serial number of a certificate (PEM) this CA issued, for a revocation list.
    ///
    /// # Errors
    /// It cannot be read, or another CA issued it.
    pub fn serial_of(&self, certificate_pem: &str) -> Result<Vec<u8>, IssueError> {
        let bad = |why: &dyn fmt::Display| {
            IssueError::BadRequest(format!("the certificate cannot be revoked: {why}"))
        };
        let certificate =
            CertificateDer::from_pem_slice(certificate_pem.as_bytes()).map_err(|e| bad(&e))?;
        let certificate = parse(&certificate).map_err(|e| bad(&e))?;
        let authority = parse(&self.certificate).map_err(|e| bad(&e))?;
        if certificate.issuer().as_raw() != authority.subject().as_raw()
            || certificate.verify_signature(Some(authority.public_key())).is_err()
        {
            return Err(bad(&"this CA did not issue it"));
        }
        Ok(certificate.raw_serial().to_vec())
    }

    /// A list (PEM) of revoked certificates by serial number. `number` grows with every list.
    ///
    /// # Errors
    /// The CA's certificate may not sign lists.
    pub fn revocation_list(
        &self,
        revoked: &BTreeMap<Vec<u8>, Revoked>,
        number: u64,
        validity: Validity,
    ) -> Result<String, IssueError> {
        let revoked_certs = revoked
            .iter()
            .map(|(serial, revoked)| RevokedCertParams {
                serial_number: SerialNumber::from_slice(serial),
                revocation_time: revoked.since.into(),
                reason_code: None,
                invalidity_date: None,
            })
            .collect();
        let list = CertificateRevocationListParams {
            this_update: validity.not_before.into(),
            next_update: validity.not_after.into(),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(list.signed_by(&self.issuer)?.pem()?)
    }

    fn issue(
        &self,
        mut params: CertificateParams,
        purpose: ExtendedKeyUsagePurpose,
    ) -> Result<Issued, IssueError> {
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![purpose];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Issued { certificate_pem: certificate.pem(), private_key_pem: key.serialize_pem() })
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

/// Reads back what a revocation list (PEM) holds: its number and the revoked serial numbers.
///
/// # Errors
/// It is not such a list.
pub fn read_revocation_list(pem: &str) -> Result<(u64, BTreeMap<Vec<u8>, Revoked>), IssueError> {
    let bad = |why: &dyn fmt::Display| {
        IssueError::BadRequest(format!("the revocation list cannot be read: {why}"))
    };
    let der = CertificateRevocationListDer::from_pem_slice(pem.as_bytes()).map_err(|e| bad(&e))?;
    let (_, list) = CertificateRevocationList::from_der(&der).map_err(|e| bad(&e))?;
    let number = list.crl_number().and_then(|number| u64::try_from(number).ok()).unwrap_or(0);
    let revoked = list
        .iter_revoked_certificates()
        .map(|entry| {
            let since = system_time(entry.revocation_date);
            (entry.raw_serial().to_vec(), Revoked { since })
        })
        .collect();
    Ok((number, revoked))
}

fn params(name: &str, validity: Validity) -> Result<CertificateParams, IssueError> {
    if validity.not_after <= validity.not_before {
        return Err(IssueError::BadRequest("the validity ends before it begins".into()));
    }
    let mut params = CertificateParams::default();
    params.not_before = OffsetDateTime::from(validity.not_before);
    params.not_after = OffsetDateTime::from(validity.not_after);
    params.distinguished_name = rcgen::DistinguishedName::new();
    // X.520 bounds a common name to 64 characters; longer names are told by the alternatives.
    let common_name: String = name.chars().take(64).collect();
    params.distinguished_name.push(DnType::CommonName, common_name);
    Ok(params)
}

fn host_name(host: &str) -> Result<SanType, IssueError> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let bad =
        || IssueError::BadRequest(format!("{host:?} is neither a host name nor an IP address"));
    // A wildcard is a whole first label.
    let plain = host.strip_prefix("*.").unwrap_or(host);
    rustls::pki_types::DnsName::try_from(plain).map_err(|_| bad())?;
    Ok(SanType::DnsName(host.try_into().map_err(|_| bad())?))
}

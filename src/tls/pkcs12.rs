//! PKCS #12 files, as authorities and other programs hand out a certificate with its key: what is
//! in one, as PEM. Nothing in it is left out without a word.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use p12_keystore::{Pkcs12Archive, error::Error};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_parser::certificate::X509Certificate;

use crate::limits::PKCS12_CERTIFICATES_MAX;
use crate::tls::{CertificateDer, certificate, provider};

/// What was in a file. The key is secret: no `Debug`.
pub struct Pkcs12 {
    /// The certificate of the key and what leads from there to its authority, leaf first; PEM.
    pub certificate: String,
    /// The private key; PEM (PKCS #8).
    pub private_key: String,
    /// The authorities besides, PEM; `None` where there is none.
    pub ca: Option<String>,
}

/// Why a file cannot be used. Displays as what to do.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Pkcs12Error {
    /// It is something else, or damaged.
    #[error(
        "this is no PKCS #12 file, or a damaged one ({0}); take the .p12 or .pfx file as it is"
    )]
    NotPkcs12(String),
    /// The password is another one.
    #[error("the password is not the one of this file, or the file was changed")]
    WrongPassword,
    /// It is protected in a way that is not read.
    #[error(
        "it is made in a way that is not read here ({0}); make another one with `openssl pkcs12 \
         -export`, with no options for its ciphers"
    )]
    Unsupported(String),
    /// There is no private key.
    #[error("it holds no private key; export the certificate together with its key")]
    NoKey,
    /// There are several.
    #[error("it holds {0} private keys; export the one of this certificate alone")]
    SeveralKeys(usize),
    /// The key is of no kind that can be used.
    #[error(
        "it holds a private key that cannot be used ({0}); ECDSA P-256/P-384, RSA and Ed25519 keys \
         can"
    )]
    BadKey(String),
    /// There is no certificate of the key.
    #[error("none of the certificates in it is that of its private key; export both together")]
    NoCertificate,
    /// There are several.
    #[error("several certificates in it are of its private key; export the one to use alone")]
    SeveralCertificates,
    /// There are more than a chain and some authorities.
    #[error("it holds {0} certificates, more than {PKCS12_CERTIFICATES_MAX}; export fewer of them")]
    ManyCertificates(usize),
    /// A certificate cannot be read.
    #[error("a certificate in it cannot be used: {0}; export it without that one")]
    BadCertificate(String),
    /// A certificate has nothing to do with the others.
    #[error(
        "the certificate {0} in it is neither one that leads to an authority nor an authority's; \
         export it without that one"
    )]
    Stray(String),
}

/// What is in a file. Takes as long as whoever made it wanted guessing its password to take, which
/// may be seconds.
///
/// # Errors
/// Says what is wrong with the file and what to do.
pub fn open_pkcs12(file: &[u8], password: &str) -> Result<Pkcs12, Pkcs12Error> {
    let archive = Pkcs12Archive::from_pkcs12(file, password).map_err(|error| judge(&error))?;
    let key = match &archive.keys[..] {
        [key] => key.key.as_der(),
        [] => return Err(Pkcs12Error::NoKey),
        several => return Err(Pkcs12Error::SeveralKeys(several.len())),
    };
    let mut ders: Vec<CertificateDer<'_>> = Vec::new();
    for bag in &archive.certs {
        let der = CertificateDer::from(bag.cert.as_der());
        if !ders.contains(&der) {
            ders.push(der);
        }
    }
    if ders.len() > PKCS12_CERTIFICATES_MAX {
        return Err(Pkcs12Error::ManyCertificates(ders.len()));
    }
    let parsed: Result<Vec<_>, _> = ders.iter().map(certificate::parse).collect();
    let (chain, authorities) = sort(parsed.map_err(Pkcs12Error::BadCertificate)?, key)?;
    let all = |list: &[X509Certificate<'_>]| -> String {
        list.iter().map(|one| pem("CERTIFICATE", one.as_raw())).collect()
    };
    Ok(Pkcs12 {
        certificate: all(&chain),
        private_key: pem("PRIVATE KEY", key),
        ca: (!authorities.is_empty()).then(|| all(&authorities)),
    })
}

/// The chain of a key, leaf first and without the authority at its end, and the authorities.
fn sort<'c>(
    all: Vec<X509Certificate<'c>>,
    key: &[u8],
) -> Result<(Vec<X509Certificate<'c>>, Vec<X509Certificate<'c>>), Pkcs12Error> {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.to_vec()));
    let key = provider::provider().key_provider.load_private_key(key);
    let key = key.map_err(|error| Pkcs12Error::BadKey(error.to_string()))?;
    let public = key.public_key().ok_or_else(|| Pkcs12Error::BadKey("of no known kind".into()))?;
    let (mut own, mut rest): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|one| one.public_key().raw == public.as_ref());
    let mut chain = match own.len() {
        0 => return Err(Pkcs12Error::NoCertificate),
        1 => own.split_off(0),
        _ => return Err(Pkcs12Error::SeveralCertificates),
    };
    while let Some(next) = chain
        .last()
        .and_then(|last| rest.iter().position(|one| !issued(one, one) && issued(one, last)))
    {
        chain.push(rest.remove(next));
    }
    match rest.iter().find(|one| !one.is_ca()) {
        None => Ok((chain, rest)),
        Some(stray) => Err(Pkcs12Error::Stray(stray.subject().to_string())),
    }
}

/// Whether one certificate's key signed another one, by name and signature.
fn issued(issuer: &X509Certificate<'_>, of: &X509Certificate<'_>) -> bool {
    issuer.subject().as_raw() == of.issuer().as_raw()
        && of.verify_signature(Some(issuer.public_key())).is_ok()
}

fn pem(label: &str, der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    let encoded = BASE64_STANDARD.encode(der);
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, behind) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = behind;
    }
    text + &format!("-----END {label}-----\n")
}

fn judge(error: &Error) -> Pkcs12Error {
    match error {
        // Where nothing says that a file is whole, what is opened with another password ends oddly.
        Error::MacError(_) | Error::Pkcs5Error(_) | Error::UnpadError => Pkcs12Error::WrongPassword,
        Error::UnsupportedContentType
        | Error::UnsupportedCertificateType
        | Error::UnsupportedEncryptionScheme
        | Error::UnsupportedMacAlgorithm
        | Error::InvalidParameters
        | Error::InvalidVersion => Pkcs12Error::Unsupported(error.to_string()),
        Error::X509Error(_) => Pkcs12Error::BadCertificate(error.to_string()),
        Error::InvalidPrivateKey => Pkcs12Error::BadKey(error.to_string()),
        _ => Pkcs12Error::NotPkcs12(error.to_string()),
    }
}

//! Asking for a certificate: the key is made here and stays here, an authority elsewhere signs what
//! is asked for. Nothing is written and no clock is read.

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair,
    KeyUsagePurpose, SanType,
};

use crate::tls::{IssueError, identity};

/// What is sent to an authority, with the key that stays. That is secret: no `Debug`.
pub struct Requested {
    /// The request, PEM (PKCS #10).
    pub request_pem: String,
    /// The private key, PEM (PKCS #8).
    pub private_key_pem: String,
}

/// Asks for a connector's certificate for a subaccount: in the request is what such a certificate
/// has to say, so that an authority which copies it issues one that proxies take.
///
/// # Errors
/// The id is empty, too long or cannot be printed.
pub fn request_connector(subaccount: &str) -> Result<Requested, IssueError> {
    let bad = |error: identity::IdentityError| {
        IssueError::BadRequest(error.to_string().replace("the certificate's", "the"))
    };
    let urn = identity::subaccount_urn(subaccount).map_err(bad)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    // X.520 bounds a common name to 64 characters; longer names are told by the alternatives.
    let common_name: String = subaccount.chars().take(64).collect();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.subject_alt_names.push(SanType::URI(urn.try_into()?));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate()?;
    let request_pem = params.serialize_request(&key)?.pem()?;
    Ok(Requested { request_pem, private_key_pem: key.serialize_pem() })
}

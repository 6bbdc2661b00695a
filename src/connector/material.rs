//! The certificates of a connector, and whether they fit its configuration.

use std::time::SystemTime;

use super::{owner::Owner, role::TlsOfModes, start::StartError};
use crate::{
    config::OwnSubaccount,
    limits,
    tls::{
        Alpn, CertificateEntry, ClientFiles, ClientMaterial, Facts, Fingerprint, MaterialError,
        PemMaterial, load_client, load_client_pem,
    },
};

/// Reads and checks the certificates of the configuration file's subaccount, and that they fit it.
///
/// # Errors
/// Which file is wrong, how, and what to do.
pub fn load_material(own: &OwnSubaccount, allow_tls12: bool) -> Result<Material, StartError> {
    let files = ClientFiles {
        certificate: own.certificate.clone(),
        private_key: own.private_key.clone(),
        ca: own.ca.clone(),
    };
    let words = (own.certificate.display().to_string(), "[subaccount]");
    load(&own.id, &own.location, &words, |alpn| {
        load_client(&files, alpn, allow_tls12, SystemTime::now())
    })
}

/// Checks the certificates of a subaccount beside the configuration file's.
///
/// # Errors
/// Which part is wrong, how, and what to do.
pub(super) fn load_carried(
    pem: &PemMaterial,
    owner: &Owner,
    allow_tls12: bool,
) -> Result<Material, StartError> {
    let words = ("certificate".to_owned(), "the subaccount's");
    load(&owner.subaccount, &owner.location, &words, |alpn| {
        load_client_pem(pem, alpn, allow_tls12, SystemTime::now())
    })
}

/// Loads for both modes. `words` are what errors call the certificate, and who has an id.
fn load(
    subaccount: &str,
    location: &str,
    words: &(String, &str),
    read: impl Fn(&[Alpn]) -> Result<ClientMaterial, MaterialError>,
) -> Result<Material, StartError> {
    let multiplexed = read(&[Alpn::H2])?;
    let direct = read(&[Alpn::Http1])?;
    check_identity(subaccount, location, words, &multiplexed.facts)?;
    let serial = multiplexed.facts.identity.as_ref().map_or("", |identity| &identity.serial).into();
    Ok(Material {
        tls: TlsOfModes { direct: direct.tls, multiplexed: multiplexed.tls, serial },
        facts: multiplexed.facts,
        inventory: multiplexed.inventory,
        fingerprint: multiplexed.fingerprint,
    })
}

/// A connector's certificates, ready for use.
pub struct Material {
    pub(super) tls: TlsOfModes,
    /// What the certificate says.
    pub facts: Facts,
    pub(super) inventory: Vec<CertificateEntry>,
    pub(super) fingerprint: Fingerprint,
}

/// The certificates of the configuration file's subaccount, as those who ask see them.
#[derive(Default)]
pub(super) struct Certificate {
    /// What the certificate in use says; `None` while the file names no subaccount.
    pub(super) facts: Option<Facts>,
    pub(super) inventory: Vec<CertificateEntry>,
    /// What is wrong with newer files.
    pub(super) problem: Option<String>,
    /// Changes that are in force.
    pub(super) reloads: u64,
    /// Changes that cannot be used, each counted once.
    pub(super) reloads_failed: u64,
}

pub(super) fn warn_of_expiry(facts: &Facts) {
    if let Some(days) = facts.days_left(SystemTime::now(), limits::EXPIRY_WARNING) {
        tracing::warn!(days, "the connector certificate expires soon; replace its files in place");
    }
}

fn check_identity(
    subaccount: &str,
    location: &str,
    (certificate, whose): &(String, &str),
    facts: &Facts,
) -> Result<(), StartError> {
    let refuse = |what: String| Err(StartError::Identity(format!("{certificate}: {what}")));
    let Some(identity) = &facts.identity else {
        return refuse("the certificate names no subaccount (SAN URI or CN)".to_owned());
    };
    if identity.subaccount != subaccount {
        return refuse(format!(
            "the certificate is for subaccount {:?}, {whose} id is {subaccount:?}; make them equal",
            identity.subaccount
        ));
    }
    match &identity.location {
        Some(only) if only != location => refuse(format!(
            "the certificate allows location {only:?} only, {whose} location_id is {location:?}"
        )),
        _ => Ok(()),
    }
}

//! The certificates of a connector, and whether they fit its configuration.

use std::time::SystemTime;

use super::{owner::Owner, role::TlsOfModes, start::StartError};
use crate::{
    config::{ListenerTls, OwnSubaccount},
    limits,
    tls::{
        Alpn, CertificateEntry, ClientFiles, ClientMaterial, Facts, Fingerprint, MaterialError,
        PemMaterial, PortFiles, PortMaterial, load_client, load_client_pem, load_port,
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

/// Reads and checks what ports with TLS show to their clients.
///
/// # Errors
/// Which file is wrong, how, and what to do.
pub fn load_local(local: &ListenerTls) -> Result<PortMaterial, MaterialError> {
    let ListenerTls { certificate, private_key, client_ca } = local.clone();
    load_port(&PortFiles { certificate, private_key, client_ca }, SystemTime::now())
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

/// The certificates in use, as those who ask see them.
#[derive(Default)]
pub(super) struct Certificate {
    /// What that of the file's subaccount says; `None` while the file names none.
    pub(super) facts: Option<Facts>,
    pub(super) inventory: Vec<CertificateEntry>,
    /// What is wrong with newer files.
    pub(super) problem: Option<String>,
    /// What ports with TLS show.
    pub(super) local_facts: Option<Facts>,
    pub(super) local_inventory: Vec<CertificateEntry>,
    /// What is wrong with newer files of theirs.
    pub(super) local_problem: Option<String>,
    /// Changes that are in force.
    pub(super) reloads: u64,
    /// Changes that cannot be used, each counted once.
    pub(super) reloads_failed: u64,
}

impl Certificate {
    /// Ports with TLS show that from now on.
    pub(super) fn shows(&mut self, local: Option<PortMaterial>) {
        self.local_problem = None;
        local.iter().for_each(|local| warn_of_local_expiry(&local.facts));
        let (facts, inventory) = local.map(|local| (local.facts, local.inventory)).unzip();
        (self.local_facts, self.local_inventory) = (facts, inventory.unwrap_or_default());
    }
}

pub(super) fn warn_of_expiry(facts: &Facts) {
    if let Some(days) = facts.days_left(SystemTime::now(), limits::EXPIRY_WARNING) {
        tracing::warn!(days, "the connector certificate expires soon; replace its files in place");
    }
}

pub(super) fn warn_of_local_expiry(facts: &Facts) {
    if let Some(days) = facts.days_left(SystemTime::now(), limits::EXPIRY_WARNING) {
        tracing::warn!(days, "the certificate of ports with TLS expires soon; replace its files");
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

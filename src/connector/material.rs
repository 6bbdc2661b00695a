//! The certificates of a connector, and whether they fit its configuration.

use std::time::SystemTime;

use super::{role::TlsOfModes, start::StartError};
use crate::{
    config::ConnectorConfig,
    limits,
    tls::{Alpn, CertificateEntry, ClientFiles, Facts, Fingerprint, load_client},
};

/// Reads and checks the connector's certificates, and that they fit its configuration.
///
/// # Errors
/// Which file is wrong, how, and what to do.
pub fn load_material(config: &ConnectorConfig) -> Result<Material, StartError> {
    let tls = &config.tls;
    let files = ClientFiles {
        certificate: tls.certificate.clone(),
        private_key: tls.private_key.clone(),
        ca: tls.ca.clone(),
    };
    let now = SystemTime::now();
    let multiplexed = load_client(&files, &[Alpn::H2], tls.allow_tls12, now)?;
    let direct = load_client(&files, &[Alpn::Http1], tls.allow_tls12, now)?;
    check_identity(config, &multiplexed.facts)?;
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
pub(super) struct Certificate {
    pub(super) facts: Facts,
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

fn check_identity(config: &ConnectorConfig, facts: &Facts) -> Result<(), StartError> {
    let refuse = |what: String| {
        let file = config.tls.certificate.display();
        Err(StartError::Identity(format!("{file}: {what}")))
    };
    let Some(identity) = &facts.identity else {
        return refuse("the certificate names no subaccount (SAN URI or CN)".to_owned());
    };
    if identity.subaccount != config.subaccount {
        return refuse(format!(
            "the certificate is for subaccount {:?}, [subaccount] id is {:?}; make them equal",
            identity.subaccount, config.subaccount
        ));
    }
    match &identity.location {
        Some(only) if *only != config.location => refuse(format!(
            "the certificate allows location {only:?} only, [subaccount] location_id is {:?}",
            config.location
        )),
        _ => Ok(()),
    }
}

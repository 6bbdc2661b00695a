//! Certificate, key and authorities as they are sent: as PEM, or in a PKCS #12 file.

use std::sync::Arc;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use tokio::sync::OwnedSemaphorePermit;

use super::{
    body::{Fields, there},
    desk::Desk,
    requests::Key,
};
use crate::{management::Failure, tls::open_pkcs12};

/// What the field with a file is called.
const FILE: &str = "pkcs12";
/// And that with its password.
const PASSWORD: &str = "pkcs12Password";

/// As it was sent.
pub(super) enum Sent {
    Pem(Material),
    Pkcs12 {
        file: Vec<u8>,
        password: String,
        /// In place of those in the file.
        authorities: Option<String>,
    },
}

/// What it is.
pub(super) struct Material {
    pub(super) certificate: String,
    pub(super) key: Key,
    pub(super) authorities: Option<String>,
}

impl Sent {
    pub(super) fn read(fields: &mut Fields) -> Result<Self, Failure> {
        let file = fields.long_text(FILE)?.filter(|text| !text.trim().is_empty());
        let password = fields.text(PASSWORD)?;
        let certificate = fields.long_text("certificate")?;
        let key = Key::read(fields)?;
        let authorities = fields.long_text("ca")?;
        let Some(file) = file else {
            if password.is_some_and(|password| !password.is_empty()) {
                return Err(Failure::invalid(format!("{PASSWORD}: {FILE} is missing")));
            }
            let certificate = there("certificate", Ok(certificate))?;
            return Ok(Self::Pem(Material { certificate, key, authorities }));
        };
        let blank = certificate.is_none_or(|text| text.trim().is_empty());
        if !blank || !matches!(key, Key::Kept) {
            return Err(Failure::invalid(format!(
                "{FILE}: certificate and key are in it; send either it or them"
            )));
        }
        let encoded: String = file.split_ascii_whitespace().collect();
        let file = BASE64_STANDARD.decode(encoded);
        let file = file.map_err(|error| {
            Failure::invalid(format!("{FILE} has to be base64 of the file: {error}"))
        })?;
        let authorities = authorities.filter(|text| !text.trim().is_empty());
        Ok(Self::Pkcs12 { file, password: password.unwrap_or_default(), authorities })
    }

    /// One's turn to open it, where that takes long.
    pub(super) async fn turn(&self, desk: &Desk) -> Option<OwnedSemaphorePermit> {
        match self {
            Self::Pem(_) => None,
            // Never closed.
            Self::Pkcs12 { .. } => Arc::clone(&desk.openings).acquire_owned().await.ok(),
        }
    }

    /// What it is; may take seconds.
    pub(super) fn open(self, _turn: Option<OwnedSemaphorePermit>) -> Result<Material, Failure> {
        let (file, password, authorities) = match self {
            Self::Pem(material) => return Ok(material),
            Self::Pkcs12 { file, password, authorities } => (file, password, authorities),
        };
        let opened = open_pkcs12(&file, &password);
        let opened = opened.map_err(|error| Failure::invalid(format!("{FILE}: {error}")))?;
        Ok(Material {
            certificate: opened.certificate,
            key: Key::Sent(opened.private_key),
            authorities: authorities.or(opened.ca),
        })
    }
}

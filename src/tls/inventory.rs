//! What the files in use hold: every certificate, authority and revocation list, for operators.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

use crate::tls::certificate::{date_text, parse, system_time};
use crate::tls::identity::serial_text;
use crate::tls::pem::PemFile;

/// What a file's entry is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateUse {
    /// Shown to peers: our own certificate, or one of its chain.
    Own,
    /// Peers' certificates must come from it.
    Trusted,
    /// A list of those that no longer count.
    Revocations,
}

/// A certificate or revocation list of a file that is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateEntry {
    /// What for.
    pub used_as: CertificateUse,
    /// The file.
    pub file: std::path::PathBuf,
    /// Its number in the file, from 1.
    pub position: usize,
    /// Whom it is of; a list's issuer.
    pub subject: String,
    /// Who signed it.
    pub issuer: String,
    /// Its serial number, lower-case hexadecimal with colons; a list has none.
    pub serial: Option<String>,
    /// From when on it counts.
    pub not_before: SystemTime,
    /// Until when; of a list when the next one is due, where it says that.
    pub not_after: Option<SystemTime>,
    /// How many certificates a list revokes.
    pub revoked: Option<usize>,
}

impl CertificateEntry {
    /// The entry as the admin server shows it; times are in RFC 3339.
    #[must_use]
    pub fn to_json(&self, now: SystemTime) -> Value {
        json!({
            "use": match self.used_as {
                CertificateUse::Own => "own",
                CertificateUse::Trusted => "trusted",
                CertificateUse::Revocations => "revocations",
            },
            "file": self.file.display().to_string(),
            "position": self.position,
            "subject": self.subject,
            "issuer": self.issuer,
            "serial": self.serial,
            "not_before": date_text(self.not_before),
            "not_after": self.not_after.map(date_text),
            "seconds_left": self.not_after.map(|end| seconds_between(now, end)),
            "revoked": self.revoked,
        })
    }
}

/// From `now` to `end`, negative when that has passed.
fn seconds_between(now: SystemTime, end: SystemTime) -> i64 {
    let whole = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    match end.duration_since(now) {
        Ok(left) => whole(left),
        Err(past) => -whole(past.duration()),
    }
}

/// The certificates of a file; what cannot be read was refused when the file was loaded.
pub(super) fn certificates(file: &PemFile, used_as: CertificateUse) -> Vec<CertificateEntry> {
    let ders = file.certificates().unwrap_or_default();
    let entry = |(index, der)| {
        let certificate = parse(der).ok()?;
        Some(CertificateEntry {
            used_as,
            file: file.path().to_owned(),
            position: index + 1,
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            serial: Some(serial_text(certificate.raw_serial())),
            not_before: system_time(certificate.validity().not_before),
            not_after: Some(system_time(certificate.validity().not_after)),
            revoked: None,
        })
    };
    ders.iter().enumerate().filter_map(entry).collect()
}

/// The revocation lists of a file.
pub(super) fn revocation_lists(file: &PemFile) -> Vec<CertificateEntry> {
    let ders = file.revocation_lists().unwrap_or_default();
    let mut entries = Vec::new();
    for (index, der) in ders.iter().enumerate() {
        let Ok((_, list)) = CertificateRevocationList::from_der(der) else { continue };
        entries.push(CertificateEntry {
            used_as: CertificateUse::Revocations,
            file: file.path().to_owned(),
            position: index + 1,
            subject: list.issuer().to_string(),
            issuer: list.issuer().to_string(),
            serial: None,
            not_before: system_time(list.last_update()),
            not_after: list.next_update().map(system_time),
            revoked: Some(list.iter_revoked_certificates().count()),
        });
    }
    entries
}

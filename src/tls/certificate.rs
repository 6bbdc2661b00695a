//! What a certificate says about itself, for logs, gauges and warnings.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

use crate::tls::{CertificateDer, Identity, identity};

/// A certificate of ours, as loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The subject, as text.
    pub subject: String,
    /// Host names and IP addresses it is valid for.
    pub names: Vec<String>,
    /// The beginning of its validity.
    pub not_before: SystemTime,
    /// The end of its validity.
    pub not_after: SystemTime,
    /// When the first of the authorities given with it ends, once they are read.
    pub authority_not_after: Option<SystemTime>,
    /// The subaccount and location a client's certificate names, where it names any.
    pub identity: Option<Identity>,
    /// What an operator should look at although the files can be used, one sentence each.
    pub warnings: Vec<String>,
}

/// What a certificate is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Server,
    Client,
}

impl Facts {
    /// Whole days until the certificate expires, when it does so `within` that time from `now`.
    #[must_use]
    pub fn days_left(&self, now: SystemTime, within: Duration) -> Option<u64> {
        let left = self.not_after.duration_since(now).unwrap_or_default();
        (left < within).then_some(left.as_secs() / (24 * 3600))
    }

    pub(super) fn of(
        der: &CertificateDer<'_>,
        purpose: Purpose,
        now: SystemTime,
    ) -> Result<Self, String> {
        let certificate = parse(der)?;
        let names = names(&certificate)?;
        let facts = Self {
            subject: certificate.subject().to_string(),
            not_before: system_time(certificate.validity().not_before),
            not_after: system_time(certificate.validity().not_after),
            authority_not_after: None,
            identity: match purpose {
                Purpose::Server => None,
                Purpose::Client => identity(der).ok(),
            },
            warnings: Vec::new(),
            names,
        };
        let warnings = facts.warnings(&certificate, purpose, now);
        Ok(Self { warnings, ..facts })
    }

    fn warnings(
        &self,
        certificate: &X509Certificate<'_>,
        purpose: Purpose,
        now: SystemTime,
    ) -> Vec<String> {
        let mut warnings = Vec::new();
        if now > self.not_after {
            let end = date_text(self.not_after);
            warnings.push(format!("the certificate expired on {end}: peers refuse it, renew it"));
        }
        if now < self.not_before {
            let begin = date_text(self.not_before);
            warnings.push(format!(
                "the certificate is not valid before {begin}: peers refuse it until then, or this \
                 machine's clock is wrong"
            ));
        }
        if certificate.is_ca() {
            warnings.push("the certificate is a CA's: peers refuse it as a leaf".into());
        }
        if purpose == Purpose::Server && self.names.is_empty() {
            warnings.push(
                "the certificate names no host and no IP address (subject alternative names): \
                 clients refuse it"
                    .into(),
            );
        }
        if purpose == Purpose::Client && self.identity.is_none() {
            warnings.push(
                "the certificate names no subaccount: a proxy refuses every stream of it".into(),
            );
        }
        if let Ok(Some(usage)) = certificate.extended_key_usage() {
            let (made_for_it, wanted) = match purpose {
                Purpose::Server => (usage.value.server_auth, "serverAuth"),
                Purpose::Client => (usage.value.client_auth, "clientAuth"),
            };
            if !made_for_it && !usage.value.any {
                warnings.push(format!(
                    "the certificate's extended key usage lacks {wanted}: peers refuse it"
                ));
            }
        }
        warnings
    }
}

/// Reads a certificate; the error says what is wrong with it.
pub(super) fn parse<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, String> {
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        Ok(_) => Err("bytes follow the certificate".into()),
        Err(error) => Err(error.to_string()),
    }
}

/// The end of a certificate's validity, in seconds since 1970.
pub(super) fn not_after_secs(der: &CertificateDer<'_>) -> Option<u64> {
    let end = parse(der).ok()?.validity().not_after.timestamp();
    Some(u64::try_from(end).unwrap_or(0))
}

pub(super) fn system_time(time: ASN1Time) -> SystemTime {
    let seconds = time.timestamp();
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let moved = if seconds < 0 {
        UNIX_EPOCH.checked_sub(distance)
    } else {
        UNIX_EPOCH.checked_add(distance)
    };
    moved.unwrap_or(UNIX_EPOCH)
}

/// A date as people and machines read it.
pub(super) fn date_text(time: SystemTime) -> String {
    OffsetDateTime::from(time).format(&Rfc3339).unwrap_or_else(|_| format!("{time:?}"))
}

fn names(certificate: &X509Certificate<'_>) -> Result<Vec<String>, String> {
    let alternatives = certificate.subject_alternative_name().map_err(|error| error.to_string())?;
    let Some(alternatives) = alternatives else { return Ok(Vec::new()) };
    let name = |general: &GeneralName<'_>| match *general {
        GeneralName::DNSName(name) => Some(name.to_owned()),
        GeneralName::IPAddress(bytes) => ip_address(bytes).map(|address| address.to_string()),
        _ => None,
    };
    Ok(alternatives.value.general_names.iter().filter_map(name).collect())
}

fn ip_address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(v4).into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(|v6| Ipv6Addr::from(v6).into())
}

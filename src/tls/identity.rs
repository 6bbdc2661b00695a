//! Who a client certificate stands for: its subaccount and, where it says so, its location.
//!
//! `urn:causeway:subaccount:<id>` among the subject alternative names names the subaccount,
//! otherwise the subject's common name does; `urn:causeway:location:<id>` binds the certificate to
//! one location. An id is percent-encoded in the URN (RFC 8141), so any printable text can be one.

use std::error::Error;
use std::fmt;

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

use crate::limits::NAME_BYTES_MAX;
use crate::tls::{CertificateDer, certificate};

const SUBACCOUNT_URN: &str = "urn:causeway:subaccount:";
const LOCATION_URN: &str = "urn:causeway:location:";

/// Whom a certificate stands for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The tenant.
    pub subaccount: String,
    /// The only location the certificate's holder may claim; `Some("")` is the default one.
    pub location: Option<String>,
    /// The certificate's serial number, lower-case hexadecimal with colons.
    pub serial: String,
}

/// Why a certificate stands for nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityError {
    /// It cannot be read.
    Unreadable(String),
    /// It names no subaccount.
    NoSubaccount,
    /// It names two different subaccounts, or two different locations.
    Ambiguous(&'static str),
    /// An id in it is not acceptable.
    BadId {
        /// Which one: `subaccount` or `location`.
        field: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => write!(f, "the certificate cannot be read: {why}"),
            Self::NoSubaccount => write!(
                f,
                "the certificate names no subaccount: it needs a URI {SUBACCOUNT_URN}<id> among \
                 its subject alternative names, or a common name"
            ),
            Self::Ambiguous(field) => {
                write!(f, "the certificate names two different ids as its {field}")
            }
            Self::BadId { field, why } => write!(f, "the certificate's {field} id {why}"),
        }
    }
}

impl Error for IdentityError {}

/// Reads whom a certificate stands for. It must have been verified already.
///
/// # Errors
/// It names no subaccount, more than one, or an id that is not acceptable.
pub fn identity(certificate: &CertificateDer<'_>) -> Result<Identity, IdentityError> {
    let certificate = certificate::parse(certificate).map_err(IdentityError::Unreadable)?;
    let uris = uris(&certificate)?;
    let location = only_one(&uris, LOCATION_URN, "location")?;
    let subaccount = match only_one(&uris, SUBACCOUNT_URN, "subaccount")? {
        Some(subaccount) => subaccount,
        None => common_name(&certificate)?.ok_or(IdentityError::NoSubaccount)?,
    };
    let serial = serial_text(certificate.raw_serial());
    Ok(Identity { serial, ..Identity::of(subaccount, location)? })
}

impl Identity {
    /// Whom a certificate would stand for that names these ids.
    ///
    /// # Errors
    /// An id is not acceptable.
    pub fn of(subaccount: String, location: Option<String>) -> Result<Self, IdentityError> {
        check("subaccount", &subaccount)?;
        if subaccount.is_empty() {
            return Err(IdentityError::BadId { field: "subaccount", why: "is empty" });
        }
        if let Some(location) = &location {
            check("location", location)?;
        }
        Ok(Self { subaccount, location, serial: String::new() })
    }
}

/// The URN that names a subaccount in a certificate.
pub(super) fn subaccount_urn(id: &str) -> Result<String, IdentityError> {
    check("subaccount", id)?;
    if id.is_empty() {
        return Err(IdentityError::BadId { field: "subaccount", why: "is empty" });
    }
    Ok(format!("{SUBACCOUNT_URN}{}", percent_encoded(id)))
}

/// The URN that names a location in a certificate.
pub(super) fn location_urn(id: &str) -> Result<String, IdentityError> {
    check("location", id)?;
    Ok(format!("{LOCATION_URN}{}", percent_encoded(id)))
}

fn uris<'a>(certificate: &'a X509Certificate<'_>) -> Result<Vec<&'a str>, IdentityError> {
    let alternatives = certificate
        .subject_alternative_name()
        .map_err(|error| IdentityError::Unreadable(error.to_string()))?;
    let Some(alternatives) = alternatives else { return Ok(Vec::new()) };
    let uri = |name: &GeneralName<'a>| match *name {
        GeneralName::URI(uri) => Some(uri),
        _ => None,
    };
    Ok(alternatives.value.general_names.iter().filter_map(uri).collect())
}

/// The id of the URIs that begin with `urn`; the same one may be there twice.
fn only_one(
    uris: &[&str],
    urn: &str,
    field: &'static str,
) -> Result<Option<String>, IdentityError> {
    let mut found = None;
    for uri in uris {
        let Some((head, id)) = uri.split_at_checked(urn.len()) else { continue };
        // "urn" and the namespace know no case (RFC 8141 §3.1), and our own words need none.
        if !head.eq_ignore_ascii_case(urn) {
            continue;
        }
        let id = percent_decoded(id)
            .ok_or(IdentityError::BadId { field, why: "has a broken percent-encoding" })?;
        if found.as_ref().is_some_and(|other| *other != id) {
            return Err(IdentityError::Ambiguous(field));
        }
        found = Some(id);
    }
    Ok(found)
}

fn common_name(certificate: &X509Certificate<'_>) -> Result<Option<String>, IdentityError> {
    let mut found: Option<&str> = None;
    for attribute in certificate.subject().iter_common_name() {
        let name = attribute
            .as_str()
            .map_err(|_| IdentityError::BadId { field: "subaccount", why: "is not UTF-8 text" })?;
        if found.is_some_and(|other| other != name) {
            return Err(IdentityError::Ambiguous("subaccount"));
        }
        found = Some(name);
    }
    Ok(found.filter(|name| !name.is_empty()).map(str::to_owned))
}

fn check(field: &'static str, id: &str) -> Result<(), IdentityError> {
    let why = if id.len() > NAME_BYTES_MAX {
        "is too long"
    } else if id.trim() != id {
        "begins or ends with white space"
    } else if id.chars().any(unprintable) {
        "has characters that cannot be printed"
    } else {
        return Ok(());
    };
    Err(IdentityError::BadId { field, why })
}

/// Control characters, and those that make a reader see another text than there is.
fn unprintable(c: char) -> bool {
    let misleading = [
        '\u{ad}'..='\u{ad}',
        '\u{61c}'..='\u{61c}',
        '\u{180e}'..='\u{180e}',
        '\u{200b}'..='\u{200f}',
        '\u{2028}'..='\u{202e}',
        '\u{2060}'..='\u{206f}',
        '\u{feff}'..='\u{feff}',
        '\u{fff9}'..='\u{fffb}',
    ];
    c.is_control() || misleading.iter().any(|range| range.contains(&c))
}

fn percent_encoded(id: &str) -> String {
    let mut encoded = String::with_capacity(id.len());
    for byte in id.bytes() {
        // The unreserved characters of RFC 3986 and those harmless in the middle of a URN.
        if byte.is_ascii_alphanumeric() || b"-._~:@!$&'()*+,;=/".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            decoded.push(u8::try_from(high << 4 | low).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok()
}

pub(super) fn serial_text(serial: &[u8]) -> String {
    // DER puts a zero in front where the number would otherwise be negative.
    let digits = match serial {
        [0, rest @ ..] if !rest.is_empty() => rest,
        all => all,
    };
    digits.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_their_urn() {
        for id in ["acme", "a1b2-c3d4", "Zürich / 1", "100%", "a:b", "名前"] {
            let urn = subaccount_urn(id).unwrap();
            assert!(urn.is_ascii(), "{urn}");
            assert_eq!(only_one(&[&urn], SUBACCOUNT_URN, "subaccount"), Ok(Some(id.to_owned())));
        }
    }

    #[test]
    fn the_same_id_twice_is_one_and_two_ids_are_an_error() {
        let (one, again) = ("urn:causeway:subaccount:a", "URN:Causeway:subaccount:%61");
        assert_eq!(only_one(&[one, again], SUBACCOUNT_URN, "x"), Ok(Some("a".into())));
        let other = "urn:causeway:subaccount:b";
        assert_eq!(
            only_one(&[one, other], SUBACCOUNT_URN, "x"),
            Err(IdentityError::Ambiguous("x"))
        );
    }

    #[test]
    fn ids_that_would_mislead_a_reader_are_refused() {
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        for id in [" a", "a\t", "a\nb", "a\0", "a\u{202e}b", "\u{feff}a", long.as_str()] {
            assert!(check("subaccount", id).is_err(), "{id:?}");
        }
        assert!(subaccount_urn("").is_err());
        assert!(location_urn("").is_ok());
    }

    #[test]
    fn a_broken_percent_encoding_is_refused() {
        for id in ["%", "%4", "%zz", "%+1", "%ff"] {
            assert_eq!(percent_decoded(id), None, "{id}");
        }
    }

    #[test]
    fn a_serial_number_has_no_sign_byte() {
        assert_eq!(serial_text(&[0, 0xff, 1]), "ff:01");
        assert_eq!(serial_text(&[0]), "00");
    }
}

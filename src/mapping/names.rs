//! Which names can be written where: in a CONNECT authority, a header, a certificate, a cluster.

use crate::limits::NAME_BYTES_MAX;

/// A service id must be able to stand as the host of a CONNECT authority: a registered name of
/// RFC 3986 §3.2.2, without percent escapes, so that one id has one spelling.
pub(super) fn check_service_id(id: &str) -> Result<(), String> {
    check_length(id)?;
    for (at, character) in id.char_indices() {
        if !is_registered_name(character) {
            return Err(format!(
                "has the character {character:?} at position {}, which cannot stand in a host \
                 name; use letters, digits and any of `-._~!$&'()*+,;=`",
                id[..at].chars().count() + 1
            ));
        }
    }
    Ok(())
}

/// A subaccount id or tenant id: what a certificate's name can carry.
pub(super) fn check_id(id: &str) -> Result<(), String> {
    check_length(id)?;
    check_edges(id)?;
    match id.chars().find(|character| character.is_control()) {
        Some(control) => Err(format!("has the control character {control:?}; remove it")),
        None => Ok(()),
    }
}

/// A location id: what a header's value can carry. Empty is the default location.
pub(super) fn check_location(id: &str) -> Result<(), String> {
    if id.is_empty() {
        return Ok(());
    }
    check_length(id)?;
    check_edges(id)?;
    match id.chars().find(|character| !matches!(character, ' '..='~')) {
        Some(other) => Err(format!(
            "has the character {other:?}, which a header cannot carry; use printable ASCII, best \
             letters, digits and `-._~`"
        )),
        None => Ok(()),
    }
}

/// `metadata.name`: a DNS subdomain of RFC 1123, as Kubernetes demands of every resource.
pub(super) fn check_resource_name(name: &str) -> Result<(), String> {
    let label = |label: &str| {
        let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = label.as_bytes();
        edge(bytes.first())
            && edge(bytes.last())
            && bytes.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
    };
    // Kubernetes allows 253 bytes, the longest DNS name.
    if name.len() <= 253 && name.split('.').all(label) {
        return Ok(());
    }
    Err(format!(
        "`{}` is not a Kubernetes name; use at most 253 lower-case letters, digits, `-` and `.`, \
         beginning and ending with a letter or digit",
        name.escape_debug()
    ))
}

fn check_length(id: &str) -> Result<(), String> {
    if id.is_empty() {
        return Err("is empty; give it a value".to_owned());
    }
    if id.len() > NAME_BYTES_MAX {
        return Err(format!(
            "has {} bytes, more than {NAME_BYTES_MAX}; choose a shorter one",
            id.len()
        ));
    }
    Ok(())
}

fn check_edges(id: &str) -> Result<(), String> {
    if id.trim() == id {
        return Ok(());
    }
    Err("begins or ends with white space; remove it".to_owned())
}

/// `unreserved` and `sub-delims` of RFC 3986 §2.2 and §2.3.
fn is_registered_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-._~!$&'()*+,;=".contains(character)
}

//! The form of a backup: bytes that are sealed with a password. In front are a magic, the number
//! of this form, salt and nonce; what follows is sealed by AES-256-GCM together with these, with a
//! key that argon2id makes of the password.

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand,
};

use crate::limits::BACKUP_KEY_HASH;

const MAGIC: &[u8; 16] = b"causeway-backup\n";
/// The form this version writes, and the only one it reads.
const FORM: u8 = 1;
const SALT_LEN: usize = 16;
const HEAD_LEN: usize = MAGIC.len() + 1 + SALT_LEN + NONCE_LEN;
/// Bytes that sealing adds.
pub const SEAL_LEN: usize = HEAD_LEN + 16;

/// Why something that is sealed cannot be opened. Displays as what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealedError {
    /// It does not begin like a backup.
    #[error("this is no backup of a connector; take the file as it was downloaded")]
    NotOurs,
    /// Of a later version.
    #[error(
        "this backup has form {0}, and this version knows {FORM}; restore it with the version that \
         made it, or a later one"
    )]
    Newer(u8),
    /// Which of both cannot be told.
    #[error(
        "the password is not the one of this backup, or the file was cut or changed; try the \
         password again, then another copy of the file"
    )]
    Wrong,
}

/// Seals bytes with a password. Takes as long as hashing one: not for an event loop.
///
/// # Panics
/// The system has no random numbers.
#[must_use]
pub fn seal(password: &str, plain: &[u8]) -> Vec<u8> {
    let mut head = [0; HEAD_LEN];
    head[..MAGIC.len()].copy_from_slice(MAGIC);
    head[MAGIC.len()] = FORM;
    rand::fill(&mut head[MAGIC.len() + 1..]).expect("the system has random numbers");
    let mut sealed = Vec::with_capacity(plain.len() + SEAL_LEN);
    sealed.extend(head);
    sealed.extend(plain);
    let (key, nonce) = key_and_nonce(password, &head);
    let tag = key.seal_in_place_separate_tag(nonce, Aad::from(head), &mut sealed[HEAD_LEN..]);
    sealed.extend(tag.expect("bounded bytes can be sealed").as_ref());
    sealed
}

/// What was sealed with a password. Takes as long as sealing.
///
/// # Errors
/// Says why it cannot be opened.
pub fn unseal(password: &str, mut sealed: Vec<u8>) -> Result<Vec<u8>, SealedError> {
    let cut = SealedError::Wrong;
    let form = sealed.strip_prefix(MAGIC).ok_or(SealedError::NotOurs)?.first().ok_or(cut)?;
    if *form != FORM {
        return Err(SealedError::Newer(*form));
    }
    let head: [u8; HEAD_LEN] = *sealed.first_chunk().ok_or(cut)?;
    let (key, nonce) = key_and_nonce(password, &head);
    let opened = key.open_in_place(nonce, Aad::from(head), &mut sealed[HEAD_LEN..]);
    let length = opened.map_err(|_| SealedError::Wrong)?.len();
    sealed.truncate(HEAD_LEN + length);
    sealed.drain(..HEAD_LEN);
    Ok(sealed)
}

fn key_and_nonce(password: &str, head: &[u8; HEAD_LEN]) -> (LessSafeKey, Nonce) {
    let (salt, nonce) = head[MAGIC.len() + 1..].split_at(SALT_LEN);
    let (memory, passes, lanes) = BACKUP_KEY_HASH;
    let params = Params::new(memory, passes, lanes, None).expect("checked parameters");
    let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut key = [0; 32];
    hasher.hash_password_into(password.as_bytes(), salt, &mut key).expect("a salt of its length");
    let key = UnboundKey::new(&AES_256_GCM, &key).expect("a key of its length");
    let nonce = Nonce::try_assume_unique_for_key(nonce).expect("a nonce of its length");
    (LessSafeKey::new(key), nonce)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_is_opened_by_its_password_alone() {
        for plain in [&b""[..], b"x", &[7; 5000]] {
            let sealed = seal("vier alte Z\u{fc}ge", plain);
            assert_eq!(sealed.len(), plain.len() + SEAL_LEN);
            assert_eq!(unseal("vier alte Z\u{fc}ge", sealed.clone()).unwrap(), plain);
            assert_eq!(unseal("vier alte Zuege", sealed.clone()), Err(SealedError::Wrong));
            assert_eq!(unseal("", sealed), Err(SealedError::Wrong));
        }
        let twice = [seal("p", b"same"), seal("p", b"same")];
        assert_ne!(twice[0][HEAD_LEN..], twice[1][HEAD_LEN..], "each has a key of its own");
    }

    #[test]
    fn every_byte_counts_and_so_does_their_number() {
        let sealed = seal("p", b"some bytes");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            let expected = match at {
                0..16 => SealedError::NotOurs,
                16 => SealedError::Newer(FORM ^ 1),
                _ => SealedError::Wrong,
            };
            assert_eq!(unseal("p", changed), Err(expected), "{at}");
            let expected = if at < 16 { SealedError::NotOurs } else { SealedError::Wrong };
            assert_eq!(unseal("p", sealed[..at].to_vec()), Err(expected), "{at}");
        }
        assert_eq!(unseal("p", [&sealed[..], b"x"].concat()), Err(SealedError::Wrong));
    }
}

//! Passwords: what is too weak, and hashing by argon2id.

use std::sync::OnceLock;

use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};

use crate::limits::{PASSWORD_BYTES_MAX, PASSWORD_CHARACTERS_MIN, PASSWORD_HASH};

/// Why a password is not taken. Displays as what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Weak {
    /// Too few characters.
    #[error("a password has at least {PASSWORD_CHARACTERS_MIN} characters; a few words are good")]
    Short,
    /// Too many bytes.
    #[error("a password has at most {PASSWORD_BYTES_MAX} bytes")]
    Long,
    /// One character over and over, or the name of the account.
    #[error("this is what others try first; take a few words that do not belong together")]
    Obvious,
}

/// Whether a password may be taken for an account.
///
/// # Errors
/// Why not.
pub fn check_strength(account: &str, password: &str) -> Result<(), Weak> {
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(Weak::Long);
    }
    if password.chars().count() < PASSWORD_CHARACTERS_MIN {
        return Err(Weak::Short);
    }
    let lower = password.to_lowercase();
    let distinct: std::collections::BTreeSet<char> = lower.chars().collect();
    let named = !account.is_empty() && lower.contains(&account.to_lowercase());
    let rest = lower.replace(&account.to_lowercase(), "");
    if distinct.len() < 5 || (named && rest.chars().count() < PASSWORD_CHARACTERS_MIN / 2) {
        return Err(Weak::Obvious);
    }
    Ok(())
}

/// The hash of a password, as a PHC string. Takes some 20 ms and 19 MiB: not for an event loop.
///
/// # Panics
/// The system has no random numbers.
#[must_use]
pub fn hash(password: &str) -> String {
    hasher().hash_password(password.as_bytes()).expect("the system has random numbers").to_string()
}

/// Whether a password is the one of a hash; takes as long as hashing.
#[must_use]
pub fn verify(hash: &str, password: &str) -> bool {
    if password.len() > PASSWORD_BYTES_MAX {
        return false;
    }
    hasher().verify_password(password.as_bytes(), hash).is_ok()
}

/// Takes as long as [`verify`], for an account that does not exist: whether it does is not to be
/// found out by a watch.
pub fn verify_nobody(password: &str) {
    static NOBODY: OnceLock<String> = OnceLock::new();
    let _ = verify(NOBODY.get_or_init(|| hash("nobody has this password")), password);
}

fn hasher() -> Argon2<'static> {
    let (memory, passes, lanes) = PASSWORD_HASH;
    let params = Params::new(memory, passes, lanes, None).expect("checked parameters");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_by_its_hash_and_no_other_is() {
        let kept = hash("correct horse battery");
        assert!(kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{kept}");
        assert!(verify(&kept, "correct horse battery"));
        assert!(!verify(&kept, "correct horse batterY"));
        assert_ne!(hash("correct horse battery"), kept, "each has a salt of its own");
        assert!(!verify("no hash", "correct horse battery"));
    }

    #[test]
    fn what_others_try_first_is_not_taken() {
        for (password, expected) in [
            ("short", Err(Weak::Short)),
            ("aaaaaaaaaaaaaaaa", Err(Weak::Obvious)),
            ("administrator1", Err(Weak::Obvious)),
            ("Administrator!!", Err(Weak::Obvious)),
            ("vier alte Züge", Ok(())),
            ("administrator likes green tea", Ok(())),
        ] {
            assert_eq!(check_strength("administrator", password), expected, "{password}");
        }
        assert_eq!(check_strength("a", &"x".repeat(2000)), Err(Weak::Long));
    }
}

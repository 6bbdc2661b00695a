//! Secrets that are given out once and recognised later: only what they hash to is kept, so that
//! whoever reads memory or store cannot use them.

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand,
};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use subtle::ConstantTimeEq as _;

/// What a secret hashes to.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Secret([u8; 32]);

impl Secret {
    /// A new one of 256 random bits: its text, to be given out, and what is kept.
    ///
    /// # Panics
    /// The system has no random numbers; nothing can be kept secret then.
    #[must_use]
    pub fn make() -> (String, Self) {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes).expect("the system has random numbers");
        let text = BASE64_URL_SAFE_NO_PAD.encode(bytes);
        let secret = Self::of(&text);
        (text, secret)
    }

    /// What a text hashes to.
    #[must_use]
    pub fn of(text: &str) -> Self {
        let hashed = digest(&SHA256, text.as_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(hashed.as_ref());
        Self(bytes)
    }

    /// Whether a text is this secret; takes as long for every text of its length.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        self.0.ct_eq(&Self::of(text).0).into()
    }

    /// In hexadecimal, to be kept.
    #[must_use]
    pub fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// As it was kept.
    #[must_use]
    pub fn of_hex(hex: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if hex.len() != 64 || !hex.is_ascii() {
            return None;
        }
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_knows_its_text_and_no_other() {
        let (text, secret) = Secret::make();
        assert!(secret.is(&text) && !secret.is("") && !secret.is(&text[1..]));
        assert_ne!(Secret::make().0, text);
        assert_eq!(Secret::of_hex(&secret.hex()), Some(secret));
        for wrong in ["", "00", &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(Secret::of_hex(wrong), None, "{wrong}");
        }
        assert!(!format!("{secret:?}").contains(&secret.hex()));
    }
}

//! The token of the admin server: read from a file, followed when that changes, compared in a time
//! that tells nothing.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use subtle::ConstantTimeEq;

use crate::{
    config::{Secret, watch::FileWatch},
    limits::{ADMIN_TOKEN_BYTES_MIN, FILE_BYTES_MAX},
};

/// What requests must carry.
#[derive(Clone)]
pub(super) struct Token(Arc<Mutex<Secret>>);

impl Token {
    /// Reads the file and follows it until the watch is dropped; one that cannot be used leaves
    /// the token that is in force.
    ///
    /// # Errors
    /// The file cannot be read, or what it holds is no token; the text says what to do.
    pub(super) fn follow(path: &Path) -> io::Result<(Self, FileWatch)> {
        let token = Self::of(&read(path)?).map_err(|why| unusable(path, why))?;
        let (current, file) = (token.clone(), path.to_owned());
        let watch = FileWatch::spawn(vec![file.clone()], move || {
            let fresh =
                read(&file).and_then(|text| check(&text).map_err(|why| unusable(&file, why)));
            match fresh {
                Ok(secret) => {
                    *current.0.lock().unwrap_or_else(PoisonError::into_inner) = secret;
                    tracing::info!(target: "causeway::admin", "the admin token was read again");
                }
                Err(error) => tracing::error!(
                    target: "causeway::admin", %error, "keeping the admin token in use"
                ),
            }
        })?;
        Ok((token, watch))
    }

    /// A token that is known.
    pub(super) fn of(text: &str) -> Result<Self, &'static str> {
        Ok(Self(Arc::new(Mutex::new(check(text)?))))
    }

    /// Whether this is it.
    pub(super) fn is(&self, shown: &str) -> bool {
        let secret = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        secret.expose().as_bytes().ct_eq(shown.as_bytes()).into()
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path).and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text)).map_err(
        |error| {
            let file = path.display();
            io::Error::new(error.kind(), format!("admin.token_file {file}: {error}"))
        },
    )?;
    Ok(text)
}

/// A file's last line break is not part of its token.
fn check(text: &str) -> Result<Secret, &'static str> {
    let token = text.trim();
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("holds more than one word of ASCII; write one random word into it");
    }
    if token.len() < ADMIN_TOKEN_BYTES_MIN {
        return Err("holds fewer than 32 characters, which can be guessed; make one with \
             `openssl rand -hex 32`");
    }
    Ok(Secret::new(token))
}

fn unusable(path: &Path, why: &str) -> io::Error {
    let file = path.display();
    io::Error::new(io::ErrorKind::InvalidData, format!("admin.token_file {file} {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_long_word_and_only_it_is_right() {
        let secret = "0123456789abcdef0123456789ABCDEF";
        let token = Token::of(&format!("{secret}\n")).unwrap();
        assert!(token.is(secret));
        for wrong in ["", &secret[1..], &secret.to_lowercase(), &format!("{secret}\n")] {
            assert!(!token.is(wrong), "{wrong:?}");
        }
        for bad in ["", "\n", "short", &secret[1..], &format!("{secret} {secret}"), "\u{e4}"] {
            assert!(Token::of(bad).is_err(), "{bad:?}");
        }
    }
}

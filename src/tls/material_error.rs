//! What is wrong with a certificate, key, CA or CRL file.

use std::error::Error;
use std::path::PathBuf;
use std::{fmt, io};

/// A file that cannot be used; nothing of the set it belongs to is.
#[derive(Debug)]
pub struct MaterialError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: MaterialProblem,
}

/// What is wrong with a file.
#[derive(Debug)]
pub enum MaterialProblem {
    /// It cannot be read.
    Unreadable(io::Error),
    /// It is larger than any such file is.
    TooLarge,
    /// It has no block with this label.
    Missing(&'static str),
    /// A block is damaged.
    BadPem(String),
    /// A block has a label we cannot use.
    UnknownLabel(String),
    /// The private key is encrypted.
    EncryptedKey,
    /// There is more than one private key.
    SeveralKeys,
    /// The private key is of no kind we can sign with.
    BadKey(String),
    /// The private key belongs to another certificate than the one in this file.
    KeyMismatch {
        /// Where the certificate is.
        certificate: PathBuf,
    },
    /// The n-th certificate, counted from 1, cannot be used.
    BadCertificate {
        /// Which one.
        position: usize,
        /// What is wrong with it.
        why: String,
    },
    /// The n-th revocation list, counted from 1, cannot be used.
    BadRevocationList {
        /// Which one.
        position: usize,
        /// What is wrong with it.
        why: String,
    },
    /// No CA of this file signed the n-th revocation list, counted from 1.
    ForeignRevocationList {
        /// Which one.
        position: usize,
        /// Who says to have issued it.
        issuer: String,
        /// Where the CAs are.
        client_ca: PathBuf,
    },
    /// The files are fine on their own but TLS cannot be set up with them.
    Unusable(String),
}

impl fmt::Display for MaterialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.problem)
    }
}

impl fmt::Display for MaterialProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => {
                write!(f, "cannot be read: {why}; check the path and who may read it")
            }
            Self::TooLarge => f.write_str("is too large for a PEM file; check the path"),
            Self::Missing(label) => write!(
                f,
                "holds no block \"BEGIN {label}\"; it must be a PEM file with one (DER files are \
                 converted with openssl)"
            ),
            Self::BadPem(why) => write!(
                f,
                "is damaged: {why}; write it anew, in one step if something replaces it regularly"
            ),
            Self::UnknownLabel(label) => write!(
                f,
                "holds a block \"BEGIN {label}\", which cannot be used; convert it to plain \
                 \"BEGIN CERTIFICATE\" blocks with openssl"
            ),
            Self::EncryptedKey => f.write_str(
                "holds an encrypted private key; decrypt it with `openssl pkey -in FILE -out FILE` \
                 and protect the file instead",
            ),
            Self::SeveralKeys => f.write_str("holds several private keys; leave only one in it"),
            Self::BadKey(why) => write!(
                f,
                "holds a private key that cannot be used ({why}); ECDSA P-256/P-384, RSA and \
                 Ed25519 keys can"
            ),
            Self::KeyMismatch { certificate } => write!(
                f,
                "is not the private key of {}; replace both files together",
                certificate.display()
            ),
            Self::BadCertificate { position, why } => write!(
                f,
                "certificate {position} in it cannot be used: {why}; remove or replace that block"
            ),
            Self::BadRevocationList { position, why } => write!(
                f,
                "revocation list {position} in it cannot be used: {why}; have the CA write it anew"
            ),
            Self::ForeignRevocationList { position, issuer, client_ca } => write!(
                f,
                "revocation list {position} in it is by {issuer:?}, and no CA of that name in {} \
                 signed it; add that CA there or remove the list",
                client_ca.display()
            ),
            Self::Unusable(why) => write!(f, "cannot be used: {why}"),
        }
    }
}

impl Error for MaterialError {}

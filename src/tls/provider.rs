//! The cryptography both roles use.

use std::sync::Arc;

use rustls::SupportedProtocolVersion;
use rustls::crypto::CryptoProvider;
use rustls::crypto::aws_lc_rs::{self, cipher_suite as suite, kx_group};
use rustls::version::{TLS12, TLS13};

/// aws-lc-rs with our order of preference.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        // AES-128-GCM first: with SHA-256 in the key schedule a handshake costs a third less than
        // with the SHA-384 of AES-256, and bulk data less as well. The TLS 1.2 suites, used only
        // where that version is allowed, all have forward secrecy and an AEAD.
        cipher_suites: vec![
            suite::TLS13_AES_128_GCM_SHA256,
            suite::TLS13_AES_256_GCM_SHA384,
            suite::TLS13_CHACHA20_POLY1305_SHA256,
            suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        ],
        // Post-quantum first; P-256 for peers that have nothing newer.
        kx_groups: vec![kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1],
        ..aws_lc_rs::default_provider()
    })
}

static MODERN: [&SupportedProtocolVersion; 1] = [&TLS13];
static COMPATIBLE: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];

/// The protocol versions to speak.
pub(super) fn versions(allow_tls12: bool) -> &'static [&'static SupportedProtocolVersion] {
    if allow_tls12 { &COMPATIBLE } else { &MODERN }
}

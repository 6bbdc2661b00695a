//! Two TLS sessions joined in memory, and the files they are made from.

// Helpers of tests are tests too; clippy knows only the functions marked as such.
#![allow(clippy::unwrap_used)]

#[path = "tls/data.rs"]
mod data;
#[path = "tls/files.rs"]
mod files;
#[path = "tls/handshake.rs"]
mod handshake;
#[path = "tls/hostile.rs"]
mod hostile;
#[path = "tls/material.rs"]
mod material;
#[path = "tls/pair.rs"]
mod pair;
#[path = "tls/pki.rs"]
mod pki;

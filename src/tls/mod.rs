//! TLS without input and output: bytes in, bytes out. Sessions ([`Session`]), who may be on the
//! other side ([`ServerTls`], [`ClientTls`]), what a certificate says ([`identity()`]), what the
//! files say ([`load_server`], [`load_client`]) and making certificates ([`Authority`]).
//!
//! It opens no socket and reads no clock of its own. `rustls` is named nowhere outside this module.

mod certificate;
mod client;
mod connection;
mod error;
mod https;
mod identity;
mod inventory;
mod issue;
mod material;
mod material_error;
mod pem;
mod pkcs12;
mod port;
mod provider;
mod record;
mod request;
mod rustls_session;
mod server;
mod session;
mod trust;

#[cfg(test)]
mod tests;

pub use rustls::pki_types::CertificateDer;

pub use certificate::Facts;
pub use client::ClientTls;
pub use error::{CertificateFault, TlsError};
pub use https::{HttpsClient, HttpsServer, HttpsStream, sha256_of_certificate, shown_certificate};
pub use identity::{Identity, IdentityError, identity};
pub use inventory::{CertificateEntry, CertificateUse};
pub use issue::{Authority, IssueError, Issued, Revoked, Validity, read_revocation_list};
pub use material::{
    ClientFiles, ClientMaterial, Fingerprint, PemMaterial, ServerFiles, ServerMaterial, leaf_of,
    load_client, load_client_pem, load_server,
};
pub use material_error::{MaterialError, MaterialProblem};
pub use pkcs12::{Pkcs12, Pkcs12Error, open_pkcs12};
pub use port::{PortFiles, PortMaterial, PortTls, load_port};
pub use request::{Requested, request_connector};
pub use server::ServerTls;
pub use session::{Alpn, Handshake, Opened, Session, sealed_len};

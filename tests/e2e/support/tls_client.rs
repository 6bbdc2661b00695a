//! A TLS client that shares no code with ours: rustls' buffered connection over a blocking socket.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};

use super::{DEADLINE, HOST, World};

/// Certificate and key of a client.
#[derive(Debug, Clone)]
pub struct ClientFiles {
    pub certificate: PathBuf,
    pub private_key: PathBuf,
}

/// A blocking TLS stream.
pub type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// Connects, with the given SNI and perhaps a client certificate. The handshake runs at the first
/// read or write.
pub fn tls_connect(
    address: SocketAddr,
    server_name: &str,
    ca: &Path,
    client: Option<&ClientFiles>,
) -> TlsStream {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match client {
        None => builder.with_no_client_auth(),
        Some(files) => {
            let chain = CertificateDer::pem_file_iter(&files.certificate).unwrap();
            let key = PrivateKeyDer::from_pem_file(&files.private_key).unwrap();
            builder.with_client_auth_cert(chain.map(Result::unwrap).collect(), key).unwrap()
        }
    };
    let name = ServerName::try_from(server_name.to_owned()).unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.set_write_timeout(Some(DEADLINE)).unwrap();
    StreamOwned::new(connection, socket)
}

/// Opens a stream to `service` as subaccount `a`, straight at the proxy.
pub fn open_stream(world: &World, service: &str) -> TlsStream {
    let files = world.client("a", None);
    let mut tls = tls_connect(world.proxy_address(), HOST, &world.path("ca.crt"), Some(&files));
    let head = format!("CONNECT {service}:1 HTTP/1.1\r\nHost: {service}:1\r\n\r\n");
    tls.write_all(head.as_bytes()).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        tls.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
    tls
}

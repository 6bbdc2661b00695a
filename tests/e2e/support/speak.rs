//! Speaking the wire protocol by hand: a TLS client of any kind, CONNECT, and the answers.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    sync::Arc,
    time::Duration,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use socket2::{Domain, Socket, Type};

use super::{ClientFiles, DEADLINE, HOST, TlsStream, World, bounded};

/// A client of one TLS version, to be dialled with more than once: it keeps its tickets.
pub fn client_of(
    version: &'static SupportedProtocolVersion,
    ca: &Path,
    client: Option<&ClientFiles>,
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots);
    Arc::new(match client {
        None => builder.with_no_client_auth(),
        Some(files) => {
            let chain = CertificateDer::pem_file_iter(&files.certificate).unwrap();
            let key = PrivateKeyDer::from_pem_file(&files.private_key).unwrap();
            builder.with_client_auth_cert(chain.map(Result::unwrap).collect(), key).unwrap()
        }
    })
}

/// The usual client: TLS 1.3, trusting the world's CA.
pub fn client_config(world: &World, client: Option<&ClientFiles>) -> Arc<ClientConfig> {
    client_of(&rustls::version::TLS13, &world.path("ca.crt"), client)
}

/// Connects; the handshake runs at the first read or write.
pub fn dial(address: SocketAddr, server_name: &str, config: &Arc<ClientConfig>) -> TlsStream {
    let name = ServerName::try_from(server_name.to_owned()).unwrap();
    let connection = ClientConnection::new(config.clone(), name).unwrap();
    StreamOwned::new(connection, dial_plain(address))
}

/// Connects without TLS.
pub fn dial_plain(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.set_write_timeout(Some(DEADLINE)).unwrap();
    socket.set_nodelay(true).unwrap();
    socket
}

/// Whether the proxy closes a connection to it that says nothing; else it would wait for a hello.
pub fn is_turned_away(address: SocketAddr) -> bool {
    is_closed_by_now(&mut dial_plain(address))
}

/// Whether a connection on which the proxy has said nothing is closed, or is within a moment.
pub fn is_closed_by_now(socket: &mut TcpStream) -> bool {
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    match socket.read(&mut [0]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

/// The head that asks for a service.
pub fn connect_head(service: &str) -> Vec<u8> {
    format!("CONNECT {service}:80 HTTP/1.1\r\nHost: {service}:80\r\n\r\n").into_bytes()
}

/// Opens a stream to `service` of the world's proxy.
pub fn open_service(world: &World, config: &Arc<ClientConfig>, service: &str) -> TlsStream {
    let mut tls = dial(world.proxy_address(), HOST, config);
    tls.write_all(&connect_head(service)).unwrap();
    expect_established(&mut tls);
    tls
}

/// The same from another address of this machine than everybody else's.
pub fn open_service_from(
    source: [u8; 4],
    world: &World,
    config: &Arc<ClientConfig>,
    service: &str,
) -> TlsStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
    socket.connect(&world.proxy_address().into()).unwrap();
    let name = ServerName::try_from(HOST).unwrap();
    let connection = ClientConnection::new(config.clone(), name).unwrap();
    let mut tls = StreamOwned::new(connection, bounded(TcpStream::from(socket)));
    tls.write_all(&connect_head(service)).unwrap();
    expect_established(&mut tls);
    tls
}

/// Reads the answer that says yes, and not a byte more.
pub fn expect_established(tls: &mut TlsStream) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        tls.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 200 "), "{}", head.escape_ascii());
}

/// Sends some bytes to an echo service and wants them back.
pub fn ping(stream: &mut (impl Read + Write), text: &str) {
    stream.write_all(text.as_bytes()).unwrap();
    let mut back = vec![0; text.len()];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(String::from_utf8_lossy(&back), text);
}

/// A complete answer that ended the connection the proper way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Reply {
    /// Sends `request` and reads the answer to its end: close_notify, then FIN, never a reset.
    pub fn to(tls: &mut TlsStream, request: &[u8]) -> Self {
        tls.write_all(request).unwrap();
        Self::read(tls)
    }

    /// Reads the answer to its end: close_notify, then FIN, never a reset.
    pub fn read(tls: &mut TlsStream) -> Self {
        let mut text = String::new();
        let read = tls.read_to_string(&mut text);
        read.unwrap_or_else(|error| panic!("no clean end: {error}, after {text:?}"));
        assert_eq!(tls.sock.read(&mut [0]).expect("a FIN, not a reset"), 0, "after close_notify");
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?}"));
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest[..3].parse().ok());
        let status = status.unwrap_or_else(|| panic!("{text:?}"));
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.split("\r\n").skip(1).find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// Holds it against what every refusal has to look like.
    pub fn assert_refusal(&self, status: u16, reason: &str) {
        assert_eq!(self.status, status, "{self:?}");
        let proxy_status = self.field("Proxy-Status").expect("a Proxy-Status");
        assert!(proxy_status.starts_with("causeway; error="), "{proxy_status}");
        assert!(self.body.starts_with(&format!("{status} {reason}: ")), "{:?}", self.body);
        assert_eq!(self.body.find('\n'), Some(self.body.len() - 1), "one line: {:?}", self.body);
        let length = self.field("Content-Length").map(|length| length.parse().unwrap());
        assert_eq!(length, Some(self.body.len()));
        assert_eq!(self.field("Connection"), Some("close"));
    }
}

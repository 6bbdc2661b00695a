//! Peers that only rustls' own settings can make: without a certificate, of an old version, with
//! tiny fragments, at another time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, ServerName, UnixTime};
use rustls::server::UnbufferedServerConnection;
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};

use crate::limits::RECORD_PLAIN_BYTES_MAX;
use crate::tls::provider::provider;
use crate::tls::rustls_session::RustlsSession;
use crate::tls::server::{OneCertificate, ServerParts};
use crate::tls::{
    Alpn, Authority, CertificateDer, CertificateFault, Issued, ServerTls, Session, TlsError,
    Validity, sealed_len,
};

const DAY: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug)]
struct Clock(AtomicU64);

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = self.0.load(Ordering::Relaxed);
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

struct World {
    authority: Authority,
    clock: Arc<Clock>,
}

impl World {
    fn new() -> Self {
        let now = SystemTime::now();
        let validity = Validity { not_before: now - DAY, not_after: now + 10 * DAY };
        let (authority, _) = Authority::create("CA", validity).unwrap();
        let seconds = now.duration_since(UNIX_EPOCH).unwrap().as_secs();
        Self { authority, clock: Arc::new(Clock(AtomicU64::new(seconds))) }
    }

    fn validity() -> Validity {
        let now = SystemTime::now();
        Validity { not_before: now - DAY, not_after: now + DAY }
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        let pem = self.authority.certificate_pem().as_bytes();
        roots.add(CertificateDer::from_pem_slice(pem).unwrap()).unwrap();
        roots
    }

    fn key(issued: &Issued) -> CertifiedKey {
        let (chain, key) = pair(issued);
        CertifiedKey::from_der(chain, key, &provider()).unwrap()
    }

    fn server(&self, allow_tls12: bool) -> ServerTls {
        let issued = self.authority.issue_server(&["proxy.test"], Self::validity()).unwrap();
        let clock: Arc<Clock> = Arc::clone(&self.clock);
        ServerTls::new(ServerParts {
            key: Arc::new(Self::key(&issued)),
            client_roots: self.roots(),
            crls: Vec::new(),
            alpn: vec![Alpn::Http1],
            allow_tls12,
            clock,
        })
        .unwrap()
    }

    fn client(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        certificate: bool,
    ) -> ClientConfig {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(self.roots());
        if !certificate {
            return builder.with_no_client_auth();
        }
        let issued = self.authority.issue_connector("acme", None, Self::validity()).unwrap();
        let (chain, key) = pair(&issued);
        builder.with_client_auth_cert(chain, key).unwrap()
    }
}

fn pair(issued: &Issued) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let certificate = CertificateDer::from_pem_slice(issued.certificate_pem.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(issued.private_key_pem.as_bytes()).unwrap();
    (vec![certificate], key)
}

fn dial(config: &Arc<ClientConfig>) -> Box<dyn Session> {
    let name = ServerName::try_from("proxy.test").unwrap();
    let connection = UnbufferedClientConnection::new(Arc::clone(config), name).unwrap();
    Box::new(RustlsSession::new(connection, None))
}

/// Shakes hands; gives what is in flight to the client (tickets) at the end.
fn shake(client: &mut dyn Session, server: &mut dyn Session) -> Result<Vec<u8>, TlsError> {
    let (mut to_client, mut to_server) = (Vec::new(), Vec::new());
    for _ in 0..10 {
        let step = client.handshake(&mut to_client, &mut to_server);
        to_client.drain(..step.consumed);
        let client_done = step.state?;
        let step = server.handshake(&mut to_server, &mut to_client);
        to_server.drain(..step.consumed);
        if step.state? && client_done {
            return Ok(to_client);
        }
    }
    panic!("the handshake does not end");
}

fn carry(from: &mut dyn Session, to: &mut dyn Session, plain: &[u8], wire: &mut Vec<u8>) {
    let mut sealed = vec![0; sealed_len(plain.len())];
    let length = from.seal(plain, &mut sealed).unwrap();
    wire.extend_from_slice(&sealed[..length]);
    let (mut got, mut control) = (vec![0; plain.len() + RECORD_PLAIN_BYTES_MAX], Vec::new());
    let opened = to.open(wire, &mut got, &mut control).unwrap();
    assert_eq!((opened.consumed, opened.produced), (wire.len(), plain.len()));
    assert!(got.starts_with(plain));
    wire.clear();
}

#[test]
fn a_client_without_certificate_is_let_in_and_known_to_have_none() {
    let world = World::new();
    let mut server = world.server(false).accept().unwrap();
    let mut client = dial(&Arc::new(world.client(&[&TLS13], false)));
    shake(&mut *client, &mut *server).unwrap();
    assert!(server.peer_certificates().is_none());
    assert_eq!(server.alpn(), Alpn::Http1);
}

#[test]
fn a_tls_1_2_client_is_refused_unless_allowed() {
    let world = World::new();
    let config = Arc::new(world.client(&[&TLS12], true));
    let (mut client, mut server) = (dial(&config), world.server(false).accept().unwrap());
    let (mut hello, mut alert) = (Vec::new(), Vec::new());
    let _ = client.handshake(&mut [], &mut hello);
    assert_eq!(server.handshake(&mut hello, &mut alert).state, Err(TlsError::Version));
    assert_eq!(client.handshake(&mut alert, &mut hello).state, Err(TlsError::Version));

    let (mut client, mut server) = (dial(&config), world.server(true).accept().unwrap());
    let mut wire = shake(&mut *client, &mut *server).unwrap();
    assert!(server.peer_certificates().is_some());
    for size in [0, 1, 16_384, 100_000, 262_144] {
        let plain: Vec<u8> = vec![9; size];
        carry(&mut *server, &mut *client, &plain, &mut wire);
        carry(&mut *client, &mut *server, &plain, &mut Vec::new());
    }
    assert!(client.refresh_keys(&mut wire).is_err(), "TLS 1.2 has no such thing");
}

#[test]
fn messages_in_tiny_fragments_are_put_together() {
    let world = World::new();
    let mut config = world.client(&[&TLS13], true);
    config.max_fragment_size = Some(64);
    let config = Arc::new(config);
    let server_config = tiny_server(&world);
    for resumed in [false, true] {
        let connection = UnbufferedServerConnection::new(Arc::clone(&server_config)).unwrap();
        let mut server: Box<dyn Session> = Box::new(RustlsSession::new(connection, None));
        let mut client = dial(&config);
        let mut tickets = shake(&mut *client, &mut *server).unwrap();
        assert_eq!(client.resumed(), resumed);
        assert!(tickets.len() > 1000, "they carry the client's chain in many records");

        // One record at a time, with data sealed in the middle of an unfinished message.
        let (mut plain, mut control, mut records) = ([0; 100], Vec::new(), 0);
        while !tickets.is_empty() {
            let length = 5 + usize::from(u16::from_be_bytes([tickets[3], tickets[4]]));
            let opened = client.open(&mut tickets[..length], &mut plain, &mut control).unwrap();
            assert_eq!((opened.consumed, opened.produced), (length, 0));
            tickets.drain(..length);
            records += 1;
            carry(&mut *client, &mut *server, b"in between", &mut Vec::new());
        }
        assert!(records > 10, "{records} records");
        assert!(control.is_empty());
        carry(&mut *server, &mut *client, &[1; 60], &mut Vec::new());
    }
}

fn tiny_server(world: &World) -> Arc<ServerConfig> {
    let issued = world.authority.issue_server(&["proxy.test"], World::validity()).unwrap();
    let clients = rustls::server::WebPkiClientVerifier::builder_with_provider(
        Arc::new(world.roots()),
        provider(),
    )
    .build()
    .unwrap();
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_cert_resolver(Arc::new(OneCertificate(Arc::new(World::key(&issued)))));
    config.max_fragment_size = Some(64);
    config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().unwrap();
    Arc::new(config)
}

#[test]
fn a_certificate_that_expired_meanwhile_does_not_come_back_through_a_ticket() {
    let world = World::new();
    let server = world.server(false);
    let config = Arc::new(world.client(&[&TLS13], true));
    // The second connection still resumes, the third comes after the end of the certificate.
    for (later, expected) in [(0, Ok(())), (3600, Ok(())), (2 * 24 * 3600, Err(()))] {
        world.clock.0.fetch_add(later, Ordering::Relaxed);
        let (mut client, mut session) = (dial(&config), server.accept().unwrap());
        match shake(&mut *client, &mut *session) {
            Ok(mut tickets) => {
                assert_eq!(expected, Ok(()));
                assert_eq!(session.resumed(), later > 0);
                let _ = client.open(&mut tickets, &mut [0; 4096], &mut Vec::new()).unwrap();
            }
            Err(error) => {
                assert_eq!(expected, Err(()));
                assert_eq!(error, TlsError::Certificate(CertificateFault::Expired));
            }
        }
    }
}

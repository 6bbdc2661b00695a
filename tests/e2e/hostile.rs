//! Peers the proxy turns away before it hears what they want: each within its limit, counted by
//! its reason, and without disturbing anybody else.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read, Write},
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use causeway::{
    engine::Kind,
    telemetry::Count,
    tls::{Authority, Revoked, Validity},
};
use rustls::{ClientConfig, ClientConnection, pki_types::ServerName};

use crate::support::{
    ClientFiles, DEADLINE, HOST, Reply, Service, Suite, TlsStream, World, client_config, client_of,
    connect_head, dial, dial_plain, expect_established, open_service, ping, valid_now,
};

pub fn add(suite: &mut Suite) {
    suite.both("certificates_that_must_not_be_accepted_are_named_and_counted", bad_certificates);
    suite.both("tls_1_2_is_refused_and_counted", old_version);
    suite.both("bytes_that_are_not_tls_end_the_connection_at_once", not_tls);
    suite.both("peers_that_stall_are_closed_after_five_seconds", stalling);
    suite.both("three_hundred_half_open_handshakes_disturb_nobody", half_open);
}

/// A world with an echo service, and a stream that was open before the trouble.
pub struct Siege {
    pub world: World,
    pub honest: Arc<ClientConfig>,
    before: TlsStream,
}

impl Siege {
    pub fn begin(kind: Kind) -> Self {
        Self::of(World::with_services(kind, &[("echo", Service::echo().address)]))
    }

    /// The world's proxy runs and maps `echo`.
    pub fn of(world: World) -> Self {
        let honest = client_config(&world, Some(&world.client("a", None)));
        let mut before = open_service(&world, &honest, "echo");
        ping(&mut before, "before");
        Self { world, honest, before }
    }

    /// The stream from before works, a new one does, and nothing is left behind.
    pub fn end(mut self) {
        ping(&mut self.before, "still there");
        ping(&mut open_service(&self.world, &self.honest, "echo"), "after");
        drop(self.before);
        self.world.wait_empty();
        assert_eq!(self.world.counted(Count::HandshakesFailed("other")), 0);
        assert_eq!(self.world.counted(Count::Refused("other")), 0);
        assert_eq!(self.world.counted(Count::StreamsEnded("other")), 0);
    }
}

fn validity(from: i64, to: i64) -> Validity {
    let at = |seconds: i64| {
        let now = SystemTime::now();
        let offset = Duration::from_secs(seconds.unsigned_abs());
        if seconds < 0 { now - offset } else { now + offset }
    };
    Validity { not_before: at(from), not_after: at(to) }
}

fn bad_certificates(kind: Kind) {
    let mut world = World::new(kind);
    world.map("a", "echo", &Service::echo().address.to_string(), None);
    let revoked = world.client("a", Some("revoked"));
    let serial = world.authority.serial_of(&fs::read_to_string(&revoked.certificate).unwrap());
    let list = BTreeMap::from([(serial.unwrap(), Revoked { since: SystemTime::now() })]);
    let list = world.authority.revocation_list(&list, 1, valid_now()).unwrap();
    fs::write(world.path("ca.crl"), list).unwrap();
    let mut config = world.proxy_config("");
    config.tunnel.tls.crl = Some(world.path("ca.crl"));
    world.start_proxy_with(&config);
    let issued_by = |name: &str, authority: &Authority, validity: Validity| {
        world.write_pair(name, &authority.issue_connector("a", None, validity).unwrap())
    };
    let (stranger, _) = Authority::create("another CA", valid_now()).unwrap();
    let (impostor, _) = Authority::create("test CA", valid_now()).unwrap();
    let own = &world.authority;
    let server = ClientFiles {
        certificate: world.path("server.crt"),
        private_key: world.path("server.key"),
    };
    let cases = [
        (issued_by("stranger", &stranger, valid_now()), "certificate_unknown_issuer"),
        (issued_by("impostor", &impostor, valid_now()), "certificate_bad_signature"),
        (issued_by("expired", own, validity(-7200, -60)), "certificate_expired"),
        (issued_by("early", own, validity(3600, 7200)), "certificate_not_yet_valid"),
        (revoked, "certificate_revoked"),
        (server, "certificate_wrong_purpose"),
    ];
    let siege = Siege::of(world);
    for (files, reason) in &cases {
        let config = client_config(&siege.world, Some(files));
        for times in 1..=2 {
            assert_alerted(&siege.world, &config, reason);
            siege.world.wait_counted(Count::HandshakesFailed(reason), times);
        }
    }
    siege.end();
}

/// In TLS 1.3 the client is done before its certificate is judged: it reads why, where it expects
/// an answer, and not a reset.
fn assert_alerted(world: &World, config: &Arc<ClientConfig>, what: &str) {
    let mut tls = dial(world.proxy_address(), HOST, config);
    let asked = tls.write_all(&connect_head("echo"));
    let error = asked.and_then(|()| tls.read(&mut [0]).map(drop)).expect_err(what);
    assert!(error.to_string().contains("received fatal alert"), "{what}: {error}");
}

fn old_version(kind: Kind) {
    let siege = Siege::begin(kind);
    let files = siege.world.client("a", None);
    let ca = siege.world.path("ca.crt");
    let config = client_of(&rustls::version::TLS12, &ca, Some(&files));
    assert_alerted(&siege.world, &config, "TLS 1.2");
    siege.world.wait_counted(Count::HandshakesFailed("protocol_version"), 1);
    siege.end();
}

fn not_tls(kind: Kind) {
    let siege = Siege::begin(kind);
    let openings: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"CONNECT echo:80 HTTP/1.1\r\nHost: echo:80\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n",
        &[0xff; 4000],
    ];
    for (opening, times) in openings.into_iter().zip(1..) {
        let mut socket = dial_plain(siege.world.proxy_address());
        let start = Instant::now();
        socket.write_all(opening).unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).expect("a FIN, not a reset");
        // A peer that does not speak TLS could not read an alert, and gets nothing else either.
        assert_eq!(answer.escape_ascii().to_string(), "");
        assert!(start.elapsed() < Duration::from_secs(4), "at once, not by a timeout");
        siege.world.wait_counted(Count::HandshakesFailed("not_tls"), times);
    }
    siege.end();
}

/// The first flight of a handshake.
fn hello(config: &Arc<ClientConfig>) -> Vec<u8> {
    let name = ServerName::try_from(HOST).unwrap();
    let mut bytes = Vec::new();
    let mut connection = ClientConnection::new(config.clone(), name).unwrap();
    connection.write_tls(&mut bytes).unwrap();
    bytes
}

/// Waits for the end of a connection; `trickle` is sent byte by byte meanwhile.
fn closed_after(
    mut stream: impl Read + Write,
    timing: (Instant, TcpStream),
    trickle: &[u8],
) -> f32 {
    let (start, socket) = timing;
    socket.set_read_timeout(Some(Duration::from_millis(250))).unwrap();
    let mut trickle = trickle.iter();
    while start.elapsed() < DEADLINE {
        match stream.read(&mut [0; 512]) {
            Ok(1..) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                if let Some(byte) = trickle.next() {
                    // The end may come between the read and this write.
                    let _ = stream.write_all(&[*byte]);
                }
            }
            Ok(0) | Err(_) => return start.elapsed().as_secs_f32(),
        }
    }
    panic!("held open for {:?}", start.elapsed());
}

fn stalling(kind: Kind) {
    let siege = Siege::begin(kind);
    let world = &siege.world;
    let address = world.proxy_address();
    let hello = hello(&siege.honest);
    let nobody = client_config(world, None);
    let shaken = |config: &Arc<ClientConfig>| {
        let mut tls = dial(address, HOST, config);
        while tls.conn.is_handshaking() {
            tls.conn.complete_io(&mut tls.sock).unwrap();
        }
        tls
    };
    let start = Instant::now();
    let timing = |socket: &TcpStream| (start, socket.try_clone().unwrap());
    let mut warm = shaken(&siege.honest);
    let silent = dial_plain(address);
    let mut half = dial_plain(address);
    half.write_all(&hello[..hello.len() / 2]).unwrap();
    let mut trickling = dial_plain(address);
    trickling.write_all(&hello[..10]).unwrap();
    let mut headless = shaken(&siege.honest);
    headless.write_all(b"CONNECT echo:80 HTTP/1.1\r\nHost: ec").unwrap();
    let stranger = shaken(&nobody);
    std::thread::scope(|scope| {
        let held = [
            scope.spawn(|| closed_after(&silent, timing(&silent), b"")),
            scope.spawn(|| closed_after(&half, timing(&half), b"")),
            scope.spawn(|| closed_after(&trickling, timing(&trickling), &hello[10..])),
            scope.spawn(|| {
                let timing = timing(&headless.sock);
                closed_after(headless, timing, b"ho-is-a-name-that-has-no-end-before-the-time")
            }),
            scope.spawn(|| {
                let timing = timing(&stranger.sock);
                closed_after(stranger, timing, b"")
            }),
        ];
        for (number, held) in held.into_iter().enumerate() {
            let seconds = held.join().unwrap();
            // 5 s, noticed at a tick, and a busy machine.
            assert!((4.5..9.0).contains(&seconds), "{number} was closed after {seconds} s");
        }
    });
    world.wait_counted(Count::HandshakesFailed("timeout"), 3);
    world.wait_counted(Count::Refused("request_timeout"), 2);
    assert!(start.elapsed() > Duration::from_secs(5));
    // A warm connection of an authenticated client has waited all that time.
    warm.write_all(&connect_head("echo")).unwrap();
    expect_established(&mut warm);
    ping(&mut warm, "warm");
    drop(warm);
    siege.end();
}

fn half_open(kind: Kind) {
    let mut siege = Siege::begin(kind);
    let hello = hello(&siege.honest);
    let mut held = Vec::new();
    for number in 0..300 {
        let mut socket = dial_plain(siege.world.proxy_address());
        let sent = [0, 1, hello.len() / 2, hello.len()][number % 4];
        socket.write_all(&hello[..sent]).unwrap();
        held.push(socket);
    }
    let start = Instant::now();
    for round in 0..100 {
        ping(&mut siege.before, &format!("round {round}"));
    }
    ping(&mut open_service(&siege.world, &siege.honest, "echo"), "beside them");
    let files = client_config(&siege.world, None);
    let mut tls = dial(siege.world.proxy_address(), HOST, &files);
    Reply::to(&mut tls, &connect_head("echo")).assert_refusal(401, "no_certificate");
    assert!(start.elapsed() < Duration::from_secs(4), "took {:?}", start.elapsed());
    drop(held);
    siege.world.wait_counted(Count::HandshakesFailed("closed"), 300);
    siege.end();
}

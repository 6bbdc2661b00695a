//! Certificates, CAs and revocation lists that change on disk while streams run.

use std::{
    collections::BTreeMap,
    fs,
    io::{ErrorKind, Read, Write},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    thread,
    time::{Duration, SystemTime},
};

use causeway::{
    engine::Kind,
    telemetry::Count,
    tls::{Authority, Issued, Revoked, Validity},
};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, StreamOwned, pki_types::ServerName};

use crate::support::{
    ClientFiles, DEADLINE, HOST, Service, Suite, TlsStream, World, client_config, client_of,
    connect_head, dial, dial_plain, open_service, ping, valid_now, wait_until,
};

pub fn add(suite: &mut Suite) {
    suite.both("a_new_certificate_and_a_new_ca_cut_no_stream", rotation);
    suite.both("a_half_written_pair_keeps_the_old_one_and_is_reported", half_written);
    suite.both("a_revocation_ends_its_streams_and_no_others", revocation);
    suite.both("a_revoked_certificate_gets_in_no_other_way", no_way_around);
    suite.both("a_broken_revocation_list_keeps_the_old_one", broken_list);
    suite.both("a_connector_takes_up_new_certificates_and_cuts_no_stream", connector);
}

/// A change must be in force within this time.
const SOON: Duration = Duration::from_secs(5);

/// Replaces a file at once, as secret mounts do.
fn replace(world: &World, name: &str, text: &str) {
    let beside = world.path(&format!("{name}.new"));
    fs::write(&beside, text).unwrap();
    fs::rename(beside, world.path(name)).unwrap();
}

fn replace_pair(world: &World, name: &str, issued: &Issued) {
    replace(world, &format!("{name}.crt"), &issued.certificate_pem);
    replace(world, &format!("{name}.key"), &issued.private_key_pem);
}

/// Shakes hands and says whether the proxy still takes the client, and its certificate.
fn leaf(world: &World, config: &Arc<ClientConfig>) -> Vec<u8> {
    let mut tls = dial(world.proxy_address(), HOST, config);
    while tls.conn.is_handshaking() {
        tls.conn.complete_io(&mut tls.sock).unwrap();
    }
    tls.conn.peer_certificates().unwrap()[0].to_vec()
}

/// Asks for the echo service; `None` when the connection ends without an answer.
fn try_open(world: &World, config: &Arc<ClientConfig>) -> Option<TlsStream> {
    answered(dial(world.proxy_address(), HOST, config))
}

fn answered(mut tls: TlsStream) -> Option<TlsStream> {
    tls.write_all(&connect_head("echo")).ok()?;
    let mut start = [0; 12];
    tls.read_exact(&mut start).ok()?;
    assert_eq!(&start, b"HTTP/1.1 200");
    let mut rest = Vec::new();
    while !rest.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        tls.read_exact(&mut byte).ok()?;
        rest.push(byte[0]);
    }
    Some(tls)
}

/// Streams that send and receive all the time, and check each byte.
struct Traffic {
    stop: Arc<AtomicBool>,
    rounds: Vec<Arc<AtomicUsize>>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Traffic {
    fn start(streams: Vec<TlsStream>, per_thread: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (mut rounds, mut threads) = (Vec::new(), Vec::new());
        let mut streams = streams.into_iter().peekable();
        while streams.peek().is_some() {
            let own: Vec<TlsStream> = streams.by_ref().take(per_thread).collect();
            let counter = Arc::new(AtomicUsize::new(0));
            rounds.push(counter.clone());
            let stop = stop.clone();
            threads.push(thread::spawn(move || exchange(own, &stop, &counter)));
        }
        Self { stop, rounds, threads }
    }

    /// Waits until every stream has moved data `more` times since now.
    fn wait_rounds(&self, more: usize) {
        let before: Vec<usize> = self.rounds.iter().map(|rounds| rounds.load(SeqCst)).collect();
        for ((rounds, before), thread) in self.rounds.iter().zip(before).zip(&self.threads) {
            wait_until("data moves", DEADLINE, || {
                assert!(!thread.is_finished(), "a stream broke");
                rounds.load(SeqCst) >= before + more
            });
        }
    }

    /// Ends every stream in order.
    fn finish(self) {
        self.stop.store(true, SeqCst);
        for thread in self.threads {
            thread.join().expect("no stream was dropped or corrupted");
        }
    }
}

fn exchange(mut streams: Vec<TlsStream>, stop: &AtomicBool, rounds: &AtomicUsize) {
    let message = |round: usize, stream: usize| -> Vec<u8> {
        let bytes = 1 + (round * 37 + stream * 101) % 5000;
        (0..bytes).map(|at| (at * 31 + round * 7 + stream) as u8).collect()
    };
    while !stop.load(SeqCst) {
        let round = rounds.load(SeqCst);
        for (number, stream) in streams.iter_mut().enumerate() {
            stream.write_all(&message(round, number)).unwrap();
        }
        for (number, stream) in streams.iter_mut().enumerate() {
            let sent = message(round, number);
            let mut back = vec![0; sent.len()];
            stream.read_exact(&mut back).unwrap();
            assert!(back == sent, "stream {number} is corrupted in round {round}");
        }
        rounds.fetch_add(1, SeqCst);
    }
    for mut stream in streams {
        stream.conn.send_close_notify();
        stream.flush().unwrap();
        assert_eq!(stream.read(&mut [0]).expect("a clean end"), 0);
    }
}

/// A second CA, and `both.crt` with it and the world's, for clients that trust either.
fn second_ca(world: &World) -> Authority {
    let (second, _) = Authority::create("second CA", valid_now()).unwrap();
    let both = format!("{}{}", world.authority.certificate_pem(), second.certificate_pem());
    fs::write(world.path("both.crt"), both).unwrap();
    second
}

fn trusting_both(world: &World, files: &ClientFiles) -> Arc<ClientConfig> {
    client_of(&rustls::version::TLS13, &world.path("both.crt"), Some(files))
}

fn rotation(kind: Kind) {
    const STREAMS: usize = 200;
    let world = World::with_services(kind, &[("echo", Service::echo().address)]);
    let second = second_ca(&world);
    let old = trusting_both(&world, &world.client("a", None));
    let new = second.issue_connector("a", None, valid_now()).unwrap();
    let new = trusting_both(&world, &world.write_pair("new", &new));
    let streams = (0..STREAMS).map(|_| open_service(&world, &old, "echo")).collect();
    let traffic = Traffic::start(streams, 25);
    traffic.wait_rounds(2);
    let resumed = open_service(&world, &old, "echo");
    assert_eq!(resumed.conn.handshake_kind(), Some(HandshakeKind::Resumed), "it has tickets");
    drop(resumed);
    // A connection that has not asked for anything is no stream.
    let mut warm = dial(world.proxy_address(), HOST, &old);
    while warm.conn.is_handshaking() {
        warm.conn.complete_io(&mut warm.sock).unwrap();
    }
    let before = leaf(&world, &old);
    assert!(try_open(&world, &new).is_none(), "the new CA is not known yet");

    replace_pair(&world, "server", &second.issue_server(&[HOST], valid_now()).unwrap());
    replace(&world, "ca.crt", second.certificate_pem());
    wait_until("new connections see the new certificate", SOON, || leaf(&world, &old) != before);
    // Several in a row: every worker has it.
    let accepts = || try_open(&world, &new).is_some();
    wait_until("the new CA's clients are accepted", SOON, || (0..5).all(|_| accepts()));
    for _ in 0..3 {
        assert!(try_open(&world, &old).is_none(), "the old CA's clients, tickets or not");
    }
    assert!(answered(warm).is_none(), "nor on a connection that was waiting");
    ping(&mut open_service(&world, &new, "echo"), "new");
    traffic.wait_rounds(5);
    let failed = world.counted(Count::HandshakesFailed("certificate_unknown_issuer"));
    assert!(failed >= 4, "{failed} handshakes counted");
    let clean = world.counted(Count::StreamsEnded("clean"));
    traffic.finish();
    world.wait_counted(Count::StreamsEnded("clean"), clean + STREAMS as u64);
    world.wait_empty();
}

fn half_written(kind: Kind) {
    let world = World::with_services(kind, &[("echo", Service::echo().address)]);
    let client = client_config(&world, Some(&world.client("a", None)));
    let mut running = open_service(&world, &client, "echo");
    let before = leaf(&world, &client);
    assert_eq!(world.tls_problem(), None);
    let pair = world.authority.issue_server(&[HOST], valid_now()).unwrap();
    let whole = pair.certificate_pem.clone();
    for half in [&whole, &whole[..whole.len() / 2], ""] {
        replace(&world, "server.crt", half);
        let known = world.tls_problem();
        wait_until("the problem is reported", SOON, || {
            world.tls_problem().is_some() && world.tls_problem() != known
        });
        let problem = world.tls_problem().unwrap();
        assert!(problem.contains("server."), "names the file: {problem}");
        assert_eq!(leaf(&world, &client), before, "the old pair serves");
        ping(&mut running, "unharmed");
    }
    replace(&world, "server.crt", &whole);
    replace(&world, "server.key", &pair.private_key_pem);
    wait_until("the whole pair serves", SOON, || leaf(&world, &client) != before);
    assert_eq!(world.tls_problem(), None);
    ping(&mut running, "unharmed");
    ping(&mut open_service(&world, &client, "echo"), "new");
}

/// Writes the revocation list that revokes these certificates.
fn revoke(world: &World, number: u64, files: &[&ClientFiles]) {
    let revoked = files.iter().map(|files| {
        let pem = fs::read_to_string(&files.certificate).unwrap();
        (world.authority.serial_of(&pem).unwrap(), Revoked { since: SystemTime::now() })
    });
    let list: BTreeMap<_, _> = revoked.collect();
    let list = world.authority.revocation_list(&list, number, valid_now()).unwrap();
    replace(world, "ca.crl", &list);
}

/// A world whose revocation list is empty, with a service that tells how its streams end.
fn world_with_list(kind: Kind) -> (World, mpsc::Receiver<Option<ErrorKind>>) {
    let (ends, ended) = mpsc::channel();
    let ends = Mutex::new(ends);
    let service = Service::start(move |mut stream| {
        let ends = ends.lock().unwrap().clone();
        let mut copy = stream.try_clone().unwrap();
        let outcome = std::io::copy(&mut stream, &mut copy);
        // The test may have looked at all it wanted.
        let _ = ends.send(outcome.err().map(|error| error.kind()));
    });
    let mut world = World::new(kind);
    world.map("a", "echo", &service.address.to_string(), None);
    revoke(&world, 1, &[]);
    let mut config = world.proxy_config("");
    config.tunnel.tls.crl = Some(world.path("ca.crl"));
    world.start_proxy_with(&config);
    (world, ended)
}

fn revocation(kind: Kind) {
    let (world, ended) = world_with_list(kind);
    let (files, other) = (world.client("a", Some("")), world.client("a", None));
    let (revoked, spared) =
        (client_config(&world, Some(&files)), client_config(&world, Some(&other)));
    let mut doomed: Vec<_> = (0..10).map(|_| open_service(&world, &revoked, "echo")).collect();
    let streams = (0..10).map(|_| open_service(&world, &spared, "echo")).collect();
    let traffic = Traffic::start(streams, 5);
    for stream in &mut doomed {
        ping(stream, "not yet");
    }
    revoke(&world, 2, &[&files]);
    world.wait_counted(Count::StreamsEnded("certificate_revoked"), 10);
    for stream in &mut doomed {
        let error = stream.read(&mut [0]).expect_err("an abort, not a clean end");
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{error}");
        assert_eq!(ended.recv_timeout(DEADLINE).unwrap(), Some(ErrorKind::ConnectionReset));
    }
    assert!(try_open(&world, &revoked).is_none());
    traffic.wait_rounds(5);
    ping(&mut try_open(&world, &spared).unwrap(), "other certificates go on");
    traffic.finish();
    // What is not revoked any more, a mistake corrected, gets in again.
    revoke(&world, 3, &[]);
    wait_until("it gets in again", SOON, || try_open(&world, &revoked).is_some());
}

/// Shakes hands up to the client's last flight and keeps that back.
fn held_back(world: &World, config: &Arc<ClientConfig>) -> TlsStream {
    let name = ServerName::try_from(HOST).unwrap();
    let mut conn = ClientConnection::new(config.clone(), name).unwrap();
    let mut sock = dial_plain(world.proxy_address());
    conn.write_tls(&mut sock).unwrap();
    while conn.is_handshaking() {
        assert!(conn.read_tls(&mut sock).unwrap() > 0, "the proxy closed");
        conn.process_new_packets().unwrap();
    }
    StreamOwned::new(conn, sock)
}

fn no_way_around(kind: Kind) {
    let (world, _ended) = world_with_list(kind);
    let files = world.client("a", None);
    let config = client_config(&world, Some(&files));
    for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
        let mut stream = open_service(&world, &config, "echo");
        ping(&mut stream, "with tickets");
        assert_eq!(stream.conn.handshake_kind(), Some(kind));
    }
    let fresh = client_config(&world, Some(&files));
    let mut warm = dial(world.proxy_address(), HOST, &fresh);
    while warm.conn.is_handshaking() {
        warm.conn.complete_io(&mut warm.sock).unwrap();
    }
    let held = held_back(&world, &client_config(&world, Some(&files)));
    let begun = held_back(&world, &config);
    revoke(&world, 2, &[&files]);
    let refused = || world.counted(Count::HandshakesFailed("certificate_revoked"));
    // Several in a row: every worker has it.
    let refuses = || try_open(&world, &client_config(&world, Some(&files))).is_none();
    wait_until("the list is in force", Duration::from_secs(4), || {
        (0..5).all(|_| refuses()) && refused() > 0
    });
    let let_in = world.counted(Count::HandshakesOk);
    assert!(answered(held).is_none(), "in a handshake that had begun");
    assert!(answered(begun).is_none(), "in a resumption that had begun");
    assert!(answered(warm).is_none(), "on a connection that was waiting");
    for _ in 0..3 {
        assert!(try_open(&world, &config).is_none(), "by a ticket");
    }
    world.wait_empty();
    assert_eq!(world.counted(Count::HandshakesOk), let_in);
    // Three with tickets, one held back, one resuming, and of the five in a row all but the first,
    // which may have been let in and ended by the list.
    wait_until("all are counted", DEADLINE, || refused() >= 9);
}

fn broken_list(kind: Kind) {
    let (world, _ended) = world_with_list(kind);
    let (bad, good) = (world.client("a", Some("")), world.client("a", None));
    revoke(&world, 2, &[&bad]);
    let (bad, good) = (client_config(&world, Some(&bad)), client_config(&world, Some(&good)));
    let refused = || (0..5).all(|_| try_open(&world, &bad).is_none());
    wait_until("it is revoked on every worker", SOON, refused);
    let (stranger, _) = Authority::create("another CA", valid_now()).unwrap();
    let foreign = stranger.revocation_list(&BTreeMap::new(), 9, valid_now()).unwrap();
    for broken in [foreign.as_str(), "", "-----BEGIN X509 CRL-----\nAAAA\n"] {
        let known = world.tls_problem();
        replace(&world, "ca.crl", broken);
        wait_until("the problem is reported", SOON, || {
            world.tls_problem().is_some() && world.tls_problem() != known
        });
        assert!(try_open(&world, &bad).is_none(), "still revoked with {broken:?}");
        assert!(try_open(&world, &good).is_some());
    }
    fs::remove_file(world.path("ca.crl")).unwrap();
    let known = world.tls_problem();
    wait_until("a list that is gone is reported", SOON, || world.tls_problem() != known);
    assert!(try_open(&world, &bad).is_none(), "still revoked without a list");
    revoke(&world, 3, &[]);
    wait_until("a whole list is taken up", SOON, || world.tls_problem().is_none());
    wait_until("nobody is revoked any more", SOON, || try_open(&world, &bad).is_some());
}

fn connector(kind: Kind) {
    let mut world = World::new(kind);
    let second = second_ca(&world);
    let both = fs::read_to_string(world.path("both.crt")).unwrap();
    replace(&world, "ca.crt", &both);
    world.map("a", "echo", &Service::echo().address.to_string(), None);
    world.start_proxy("");
    let (connector, channels) = world.connector(&["echo"]);
    let mut running: Vec<_> = (0..10).map(|_| dial_plain(channels[0])).collect();
    let ping_all = |streams: &mut Vec<_>, text: &str| {
        streams.iter_mut().for_each(|stream| ping(stream, text));
    };
    ping_all(&mut running, "with the old certificate");
    // Half a pair changes nothing.
    let days = Duration::from_secs(5 * 24 * 3600);
    let validity = Validity { not_after: SystemTime::now() + days, ..valid_now() };
    let issued = second.issue_connector("a", None, validity).unwrap();
    replace(&world, "client-a-any.crt", &issued.certificate_pem);
    ping(&mut dial_plain(channels[0]), "half a pair");
    replace(&world, "client-a-any.key", &issued.private_key_pem);
    let expires = || connector.details()["certificate"]["expires_in_seconds"].as_u64().unwrap();
    wait_until("the connector has its new certificate", SOON, || expires() > 2 * 24 * 3600);
    ping_all(&mut running, "with the old one still");

    // From now on only the new certificate opens tunnels, and only the new CA's proxy is trusted.
    let client = trusting_both(&world, &world.client("b", None));
    let before = leaf(&world, &client);
    replace_pair(&world, "server", &second.issue_server(&[HOST], valid_now()).unwrap());
    replace(&world, "ca.crt", second.certificate_pem());
    wait_until("the proxy has changed", SOON, || leaf(&world, &client) != before);
    for round in 0..10 {
        ping(&mut dial_plain(channels[0]), &format!("new {round}"));
    }
    ping_all(&mut running, "and go on");
    let mut direct = dial(world.proxy_address(), HOST, &client);
    assert!(direct.write_all(b"x").and_then(|()| direct.read(&mut [0])).is_err());
    world.wait_counted(Count::StreamsEnded("certificate_revoked"), 0);
    wait_until("all is well", DEADLINE, || connector.channels()[0].status.problem().is_none());
}

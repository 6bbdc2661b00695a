//! TLS on a local port: endings, clients that cannot be served, and changes while streams are open.

use std::{
    fs,
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::mpsc,
};

use causeway::{engine::Kind, telemetry::Count};

use crate::{
    local_ports::Site,
    support::{
        ClientFiles, DEADLINE, End, HOST, HeldPort, Pattern, Service, Suite, TlsStream, World,
        bounded, connect, count, exchange, read_to_end, reset, run, tls_connect, valid_now,
        wait_acknowledged, wait_ended, wait_until, write_up_to,
    },
};

pub fn add(suite: &mut Suite) {
    suite.all("a_tls_client_of_a_local_port_and_its_service_end_apart", ends_apart);
    suite.all("a_tls_client_that_is_cut_off_aborts_and_hears_aborts", aborts);
    suite.both("clients_that_speak_no_tls_are_refused_and_counted", no_tls);
    suite.both("a_client_that_never_shakes_hands_is_ended", silent);
    suite.all("tls_on_a_local_port_changes_while_streams_go_on", changes);
    suite.all("curl_is_served_by_tls_of_either_version", curl);
}

/// The keys of a channel whose clients speak TLS, with the certificate of the world's server.
pub const LOCAL_TLS: &str = "local_port = 0\ntls = true\n[local_tls]\n\
                             certificate = \"server.crt\"\nprivate_key = \"server.key\"\n";

const UP: Pattern = Pattern(31);
const DOWN: Pattern = Pattern(32);
const SOME: u64 = 200_000;

fn port_of(site: &Site) -> SocketAddr {
    site.running.channels()[0].address.unwrap()
}

fn open(world: &World, port: SocketAddr, client: Option<&ClientFiles>) -> TlsStream {
    tls_connect(port, HOST, &world.path("ca.crt"), client)
}

/// A world whose service hands its connections to the test.
fn handing_over(kind: Kind) -> (World, mpsc::Receiver<TcpStream>) {
    let (hand, accepted) = mpsc::channel();
    let service = Service::start(move |stream| {
        // A test that is over no longer listens.
        let _ = hand.send(bounded(stream));
    });
    (World::with_services(kind, &[("echo", service.address)]), accepted)
}

fn ends_apart(kind: Kind) {
    let (world, accepted) = handing_over(kind);
    let site = Site::start(&world, LOCAL_TLS);
    // The client first.
    let mut tls = open(&world, port_of(&site), None);
    write_up_to(&mut tls, UP, 0, SOME);
    tls.conn.send_close_notify();
    tls.flush().unwrap();
    let mut service = accepted.recv_timeout(DEADLINE).unwrap();
    assert_eq!(read_to_end(&mut service, UP, 0), (SOME, End::Eof));
    write_up_to(&mut service, DOWN, 0, SOME);
    service.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&mut tls, DOWN, 0), (SOME, End::Eof));
    // The service first.
    let mut tls = open(&world, port_of(&site), None);
    tls.flush().unwrap();
    let mut service = accepted.recv_timeout(DEADLINE).unwrap();
    write_up_to(&mut service, DOWN, 0, SOME);
    service.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&mut tls, DOWN, 0), (SOME, End::Eof));
    write_up_to(&mut tls, UP, 0, SOME);
    tls.conn.send_close_notify();
    tls.flush().unwrap();
    assert_eq!(read_to_end(&mut service, UP, 0), (SOME, End::Eof));
    wait_ended(site.running.crew().counters(), &[("clean", 2)]);
}

fn aborts(kind: Kind) {
    let (world, accepted) = handing_over(kind);
    let site = Site::start(&world, LOCAL_TLS);
    // A FIN without a close_notify may be anybody's: what came may be half of what was meant.
    let mut tls = open(&world, port_of(&site), None);
    write_up_to(&mut tls, UP, 0, SOME);
    tls.sock.shutdown(Shutdown::Write).unwrap();
    let mut service = accepted.recv_timeout(DEADLINE).unwrap();
    assert_eq!(read_to_end(&mut service, UP, 0), (SOME, End::Aborted));
    // What the service sent before its reset arrives, and then no clean end.
    let mut tls = open(&world, port_of(&site), None);
    tls.flush().unwrap();
    let mut service = accepted.recv_timeout(DEADLINE).unwrap();
    write_up_to(&mut service, DOWN, 0, SOME);
    wait_acknowledged(&service);
    reset(service);
    assert_eq!(read_to_end(&mut tls, DOWN, 0), (SOME, End::Aborted));
    let ended = [("client_aborted", 1), ("service_aborted", 1)];
    wait_ended(site.running.crew().counters(), &ended);
}

fn no_tls(kind: Kind) {
    let service = Service::echo();
    let world = World::with_services(kind, &[("echo", service.address)]);
    let site = Site::start(&world, LOCAL_TLS);
    let failed = |reason| count(site.running.crew().counters(), Count::HandshakesFailed(reason));
    let mut plain = connect(port_of(&site));
    plain.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    // An alert may come before the reset.
    let _ = plain.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    wait_until("it is counted", DEADLINE, || site.refused("local_tls") == 1);
    assert_eq!(failed("not_tls"), 1);
    // A look whether the port is open is nobody's failure.
    drop(connect(port_of(&site)));
    wait_until("it is noticed", DEADLINE, || failed("closed") == 1);
    assert_eq!(site.refused("local_tls"), 1);
    // Nor does it trust a certificate of nobody.
    let mut tls = tls_connect(port_of(&site), "other.example.com", &world.path("ca.crt"), None);
    assert!(tls.write_all(b"x").is_err());
    wait_until("it is told", DEADLINE, || failed("certificate_refused_by_peer") == 1);
    assert_eq!((service.accepted(), site.running.channels()[0].status.problem()), (0, None));
}

fn silent(kind: Kind) {
    let world = World::with_services(kind, &[("echo", Service::echo().address)]);
    let site = Site::start(&world, LOCAL_TLS);
    let silent = connect(port_of(&site));
    silent.set_read_timeout(None).unwrap();
    let end = (&silent).read(&mut [0]);
    assert!(!matches!(end, Ok(1..)), "{end:?}");
    let failed = || count(site.running.crew().counters(), Count::HandshakesFailed("timeout"));
    wait_until("it is counted", DEADLINE, || failed() == 1);
}

fn ping(tls: &mut TlsStream) -> std::io::Result<()> {
    tls.write_all(b"x")?;
    tls.read_exact(&mut [0])
}

fn changes(kind: Kind) {
    let (world, held) =
        (World::with_services(kind, &[("echo", Service::echo().address)]), HeldPort::new());
    let keys = |tls: &str| format!("local_port = {}\n{tls}", held.address.port());
    let secured = "tls = true\n[local_tls]\ncertificate = \"server.crt\"\n\
                   private_key = \"server.key\"\n";
    let site = Site::start(&world, &keys(""));
    let mut plain = connect(held.address);
    let mut goes_on = || {
        plain.write_all(b"x").unwrap();
        plain.read_exact(&mut [0]).unwrap();
    };
    goes_on();
    site.put(&keys(secured));
    let by_tls = |client| {
        let mut tls = open(&world, held.address, client);
        ping(&mut tls).map(|()| tls)
    };
    wait_until("it is served by TLS", DEADLINE, || by_tls(None).is_ok());
    wait_until("and no more without", DEADLINE, || exchange(held.address, "x").is_err());
    let mut before = by_tls(None).unwrap();
    goes_on();

    // Another certificate: new clients see it.
    let (running, reloads) = (&site.running, || site.running.reloads());
    let (loaded, refused) = reloads();
    let issued = world.authority.issue_server(&[HOST, "another.example.com"], valid_now()).unwrap();
    world.write_pair("server", &issued);
    wait_until("the other one is loaded", DEADLINE, || reloads().0 > loaded);
    let shown = || {
        let mut tls = tls_connect(held.address, "another.example.com", &world.path("ca.crt"), None);
        ping(&mut tls).is_ok()
    };
    wait_until("the other one is shown", DEADLINE, shown);
    // One that cannot be used: those in use stay.
    fs::write(world.path("server.key"), "no key").unwrap();
    wait_until("it is refused", DEADLINE, || reloads().1 > refused);
    let (_, problems) = running.certificates(std::time::SystemTime::now());
    assert!(problems.iter().any(|problem| problem.contains("server.key")), "{problems:?}");
    assert!(shown());
    world.write_pair("server", &issued);

    // Only for clients of an authority.
    site.put(&keys(&format!("{secured}client_ca = \"ca.crt\"\n")));
    let known = world.client("anybody", None);
    wait_until("nobody else is served", DEADLINE, || by_tls(None).is_err());
    assert!(by_tls(Some(&known)).is_ok());
    let missing = Count::HandshakesFailed("certificate_missing");
    wait_until("that is counted", DEADLINE, || count(running.crew().counters(), missing) >= 1);
    site.put(&keys(""));
    wait_until("it is served without", DEADLINE, || {
        exchange(held.address, "x").is_ok_and(|answer| answer == "x")
    });
    ping(&mut before).unwrap();
    goes_on();
    let open = running.channels()[0].status.streams();
    assert!(open >= 2, "{open} streams");
}

fn curl(kind: Kind) {
    let service = Service::http("by TLS");
    let world = World::with_services(kind, &[("echo", service.address)]);
    let site = Site::start(&world, LOCAL_TLS);
    let (url, ca) = (format!("https://{}/", port_of(&site)), world.path("ca.crt"));
    let ca = ca.display().to_string();
    for version in [&["--tls-max", "1.2"][..], &["--tlsv1.3"]] {
        let arguments = [&["-sS", "--cacert", &ca, &url], version].concat();
        let finished = run("curl", &arguments, b"");
        assert!(finished.status.success(), "{version:?}: {}", finished.stderr);
        assert_eq!(finished.text(), "by TLS");
    }
}

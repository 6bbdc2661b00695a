//! What becomes of a CONNECT whose service is dead, slow, elsewhere, or no longer wanted.

use std::{
    io::Write,
    net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _},
    time::{Duration, Instant},
};

use causeway::{engine::Kind, telemetry::Count};
use socket2::{Domain, SockRef, Socket, Type};

use crate::{
    hostile::Siege,
    support::{
        DEADLINE, HOST, Reply, Service, Suite, World, client_config, connect_head, dial,
        expect_established, held_sockets, open_service, ping, wait_until,
    },
};

pub fn add(suite: &mut Suite) {
    suite.both("a_dead_service_is_502_and_an_unknown_name_too", dead_services);
    suite.both("a_service_that_does_not_answer_is_504_within_the_dial_timeout", black_hole);
    suite.both("a_dial_is_given_up_when_its_client_has_gone", client_gone);
    suite.both("a_subaccount_at_its_limit_is_429_until_a_stream_ends", tenant_limit);
    suite.both("a_stream_its_client_aborted_is_gone_within_a_second", aborted);
    suite.both("a_draining_proxy_answers_503_to_requests_that_had_begun", draining);
    if TcpListener::bind("[::1]:0").is_ok() {
        suite.both("a_service_on_an_ipv6_address_is_reached", ipv6_service);
    } else {
        eprintln!("SKIPPED: a_service_on_an_ipv6_address_is_reached: no IPv6 on this machine");
    }
    if (HOST, 1).to_socket_addrs().is_ok_and(|addresses| addresses.count() > 1) {
        suite.both("a_name_with_a_dead_address_is_reached_by_the_other", several_addresses);
    } else {
        let name = "a_name_with_a_dead_address_is_reached_by_the_other";
        eprintln!("SKIPPED: {name}: {HOST} is not both ::1 and 127.0.0.1 on this machine");
    }
}

/// An address that refuses: bound, so that nobody else gets it, and not listening.
pub fn refusing() -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

/// An address that does not answer: a listener whose backlog is full, so that the kernel drops
/// what else comes.
pub struct BlackHole {
    pub address: SocketAddr,
    _listener: Socket,
    _filling: Vec<TcpStream>,
}

impl BlackHole {
    pub fn open() -> Self {
        let (listener, address) = refusing();
        listener.listen(0).unwrap();
        let mut filling = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(500)) {
            filling.push(stream);
            assert!(filling.len() < 100, "the backlog of {address} is never full");
        }
        Self { address, _listener: listener, _filling: filling }
    }
}

fn dead_services(kind: Kind) {
    let (_bound, refusing) = refusing();
    let mut world = World::new(kind);
    world.map("a", "echo", &Service::echo().address.to_string(), None);
    world.map("a", "refusing", &refusing.to_string(), None);
    world.map("a", "unknown", "no-such-name.invalid:80", None);
    world.map("a", "unreachable", "255.255.255.255:80", None);
    world.start_proxy("");
    let siege = Siege::of(world);
    let cases = [
        ("refusing", "service_refused"),
        ("unknown", "unresolvable"),
        ("unreachable", "service_unreachable"),
    ];
    for (service, reason) in cases {
        let mut tls = dial(siege.world.proxy_address(), HOST, &siege.honest);
        let reply = Reply::to(&mut tls, &connect_head(service));
        reply.assert_refusal(502, reason);
        // Where the service is concerns nobody outside.
        for secret in [refusing.to_string().as_str(), "no-such-name", "255.255"] {
            assert!(!format!("{reply:?}").contains(secret), "{reply:?}");
        }
        siege.world.wait_counted(Count::Refused(reason), 1);
    }
    siege.end();
}

fn black_hole(kind: Kind) {
    let hole = BlackHole::open();
    let mut world = World::new(kind);
    world.map("a", "echo", &Service::echo().address.to_string(), None);
    world.map("a", "hole", &hole.address.to_string(), None);
    world.start_proxy("[limits]\ndial_timeout_seconds = 1\n");
    let siege = Siege::of(world);
    let start = Instant::now();
    let mut waiting: Vec<_> = (0..20)
        .map(|_| {
            let mut tls = dial(siege.world.proxy_address(), HOST, &siege.honest);
            tls.write_all(&connect_head("hole")).unwrap();
            tls
        })
        .collect();
    ping(&mut open_service(&siege.world, &siege.honest, "echo"), "meanwhile");
    for tls in &mut waiting {
        Reply::read(tls).assert_refusal(504, "dial_timeout");
    }
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(5), "{took:?}");
    siege.world.wait_counted(Count::Refused("dial_timeout"), 20);
    siege.end();
}

fn client_gone(kind: Kind) {
    let hole = BlackHole::open();
    let mut world = World::new(kind);
    world.map("a", "echo", &Service::echo().address.to_string(), None);
    world.map("a", "hole", &hole.address.to_string(), None);
    world.start_proxy("[limits]\ndial_timeout_seconds = 60\n");
    let siege = Siege::of(world);
    let mut gone = Vec::new();
    for _ in 0..3 {
        let mut tls = dial(siege.world.proxy_address(), HOST, &siege.honest);
        tls.write_all(&connect_head("hole")).unwrap();
        gone.push(tls);
    }
    let dialling = || {
        let held = held_sockets(hole.address.port()).into_iter();
        held.filter(|held| held.is_connecting()).count()
    };
    wait_until("they are dialling", DEADLINE, || dialling() == 3);
    let mut leaving = gone.into_iter();
    // One says goodbye, one just ends, one is reset.
    let mut polite = leaving.next().unwrap();
    polite.conn.send_close_notify();
    polite.flush().unwrap();
    drop(polite);
    drop(leaving.next());
    let rude = leaving.next().unwrap();
    SockRef::from(&rude.sock).set_linger(Some(Duration::ZERO)).unwrap();
    drop(rude);
    wait_until("the dials are given up", Duration::from_secs(5), || dialling() == 0);
    let gave_up = || siege.world.counted(Count::Refused("client_aborted")) == 3;
    wait_until("that is counted", Duration::from_secs(5), gave_up);
    wait_until("only the first is left", Duration::from_secs(5), || siege.world.sessions() == 1);
    siege.end();
}

fn tenant_limit(kind: Kind) {
    let echo = Service::echo().address.to_string();
    let mut world = World::new(kind);
    world.map("a", "echo", &echo, None);
    world.map("b", "echo", &echo, None);
    world.start_proxy("[limits]\nstreams_per_subaccount_max = 2\n");
    let config = client_config(&world, Some(&world.client("a", None)));
    let other = client_config(&world, Some(&world.client("b", None)));
    let refused = || {
        let mut tls = dial(world.proxy_address(), HOST, &config);
        let reply = Reply::to(&mut tls, &connect_head("echo"));
        reply.assert_refusal(429, "tenant_limit");
        assert_eq!(reply.field("Retry-After"), Some("1"));
    };
    let mut first = open_service(&world, &config, "echo");
    let mut second = open_service(&world, &config, "echo");
    refused();
    refused();
    world.wait_counted(Count::Refused("tenant_limit"), 2);
    let mut theirs = open_service(&world, &other, "echo");
    ping(&mut first, "one");
    ping(&mut second, "two");
    ping(&mut theirs, "another subaccount has its own limit");
    drop(first);
    world.wait_counted(Count::StreamsEnded("client_aborted"), 1);
    wait_until("the place is free", DEADLINE, || world.sessions() == 2);
    let mut third = open_service(&world, &config, "echo");
    ping(&mut third, "three");
    refused();
}

fn aborted(kind: Kind) {
    let siege = Siege::begin(kind);
    let mut streams: Vec<_> =
        (0..10).map(|_| open_service(&siege.world, &siege.honest, "echo")).collect();
    streams.iter_mut().for_each(|stream| ping(stream, "hello"));
    wait_until("they are sessions", DEADLINE, || siege.world.sessions() == 11);
    drop(streams);
    wait_until("they are none", Duration::from_secs(1), || siege.world.sessions() == 1);
    siege.world.wait_counted(Count::StreamsEnded("client_aborted"), 10);
    siege.end();
}

fn draining(kind: Kind) {
    let world = World::with_services(kind, &[("echo", Service::echo().address)]);
    let config = client_config(&world, Some(&world.client("a", None)));
    let health = b"GET /healthcheck HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec();
    // Requests that have begun are answered; a connection without one is let go.
    let mut begun = [connect_head("echo"), health].map(|head| {
        let mut tls = dial(world.proxy_address(), HOST, &config);
        let (first, rest) = head.split_at(head.len() / 2);
        tls.write_all(first).unwrap();
        (tls, rest.to_vec())
    });
    // By the time all of these are open, on both workers, the first halves have been read.
    let mut running: Vec<_> = (0..20).map(|_| open_service(&world, &config, "echo")).collect();
    std::thread::scope(|scope| {
        let drain = scope.spawn(|| world.proxy().drain(Some(DEADLINE)));
        wait_until("nothing more is accepted", DEADLINE, || {
            TcpStream::connect(world.proxy_address()).is_err()
        });
        for (tls, rest) in &mut begun {
            let reply = Reply::to(tls, rest);
            reply.assert_refusal(503, "draining");
            assert_eq!(reply.field("Retry-After"), Some("1"));
        }
        running.iter_mut().for_each(|stream| ping(stream, "it may end in its own time"));
        drop((running, begun));
        assert_eq!(drain.join().unwrap(), 0, "nothing was left to abort");
    });
}

fn ipv6_service(kind: Kind) {
    let service = echo_on("[::1]:0");
    let world = World::with_services(kind, &[("echo", service.address)]);
    let config = client_config(&world, Some(&world.client("a", None)));
    ping(&mut open_service(&world, &config, "echo"), "over IPv6");
    assert_eq!(service.accepted(), 1);
}

fn echo_on(address: &str) -> Service {
    Service::on(address, |mut stream| {
        let mut copy = stream.try_clone().unwrap();
        // The end of the stream ends the service, however it comes.
        let _ = std::io::copy(&mut stream, &mut copy);
    })
}

fn several_addresses(kind: Kind) {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let service = echo_on(address);
        let mut world = World::new(kind);
        world.map("a", "echo", &format!("{HOST}:{}", service.address.port()), None);
        world.start_proxy("");
        let config = client_config(&world, Some(&world.client("a", None)));
        let start = Instant::now();
        let mut tls = dial(world.proxy_address(), HOST, &config);
        tls.write_all(&connect_head("echo")).unwrap();
        expect_established(&mut tls);
        ping(&mut tls, address);
        assert_eq!(service.accepted(), 1);
        assert!(start.elapsed() < Duration::from_secs(5), "a refused address costs no time");
    }
}

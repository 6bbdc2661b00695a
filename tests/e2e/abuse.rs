//! What a subaccount with a valid certificate may not get out of the proxy: addresses it has no
//! mapping for, more places than are its own, dials for nobody. Attacks on HTTP/2 itself are in
//! `floods.rs`, peers that do not read in `stalls.rs`.

use std::{net::TcpStream, time::Instant};

use causeway::{
    engine::Kind,
    limits,
    telemetry::{Count, CountersSnapshot, Gauge},
};

use crate::{
    dials::BlackHole,
    support::{
        DEADLINE, HOST, Reply, Service, Suite, World, beside_a_neighbour, client_config, dial,
        dial_plain,
        http2::{
            CANCEL, END_HEADERS, ENHANCE_YOUR_CALM, HEADERS, PING, REFUSED_STREAM, RST_STREAM,
            RawTunnel, connect, connect_block, frame, literal, number, rst, settings, status,
        },
        is_turned_away, open_service, open_service_from, ping, wait_until,
    },
};

pub fn add(suite: &mut Suite) {
    suite.both("an_address_in_a_connect_is_a_name_without_a_mapping", addresses);
    suite.both("resets_while_the_service_is_dialled_end_the_tunnel", resets_while_dialled);
    suite.both("a_subaccount_that_dials_without_end_leaves_dials_to_others", endless_dials);
    suite.both("streams_beyond_a_limit_are_refused_to_their_subaccount_alone", hoarding);
    suite.both("an_address_that_begins_too_many_handshakes_waits_and_others_do_not", handshakes);
    suite.both("a_settings_frame_of_too_many_entries_ends_the_tunnel", many_settings);
    suite.both("a_connect_of_too_many_fields_is_400_and_its_tunnel_goes_on", many_fields);
}

/// What reaches into a cluster where authorities are addresses: metadata services, the proxy's own
/// host in several spellings, the API server.
const INTERNAL: [&str; 14] = [
    "169.254.169.254:80",
    "[fd00:ec2::254]:80",
    "127.0.0.1:22",
    "127.1:22",
    "0.0.0.0:22",
    "2130706433:22",
    "0x7f000001:22",
    "localhost:22",
    "LOCALHOST.:22",
    "[::1]:22",
    "[::ffff:127.0.0.1]:22",
    "kubernetes.default.svc:443",
    "kubernetes.default.svc.cluster.local:443",
    "metadata.google.internal:80",
];

fn addresses(kind: Kind) {
    let service = Service::echo();
    let world = World::with_services(kind, &[("echo", service.address)]);
    world.map("b", "other", &service.address.to_string(), None);
    let files = world.client("a", None);
    let port = service.address.port();
    // The address of a service that lives, in the spellings a resolver would take.
    let live = ["127.0.0.1", "localhost", "127.1", "[::ffff:127.0.0.1]"];
    let live = live.map(|host| format!("{host}:{port}"));
    let authorities: Vec<&str> =
        INTERNAL.into_iter().chain(live.iter().map(String::as_str)).collect();
    let mut tunnel = RawTunnel::open(&world, &files);
    let config = client_config(&world, Some(&files));
    for (stream, authority) in (1..).step_by(2).zip(&authorities) {
        assert_eq!(tunnel.ask(stream, authority), 404, "{authority} over HTTP/2");
        let head = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
        let reply = Reply::to(&mut dial(world.proxy_address(), HOST, &config), head.as_bytes());
        reply.assert_refusal(404, "no_such_mapping");
    }
    let asked = 2 * authorities.len() as u64;
    world.wait_counted(Count::Refused("no_such_mapping"), asked);
    // One that names the service and an address, whichever of them a parser would believe.
    assert_eq!(tunnel.ask(1001, &format!("echo:80@127.0.0.1:{port}")), 400);
    let head = format!("CONNECT echo@127.0.0.1:{port} HTTP/1.1\r\nHost: echo\r\n\r\n");
    let reply = Reply::to(&mut dial(world.proxy_address(), HOST, &config), head.as_bytes());
    reply.assert_refusal(400, "malformed");
    // The service accepts in order: had one of those reached it, it would have been counted.
    tunnel.open_stream(1003, "echo");
    tunnel.ping(1003, b"by its name");
    assert_eq!(service.accepted(), 1);
}

fn gauge(world: &World, gauge: Gauge) -> u64 {
    CountersSnapshot::of(world.proxy().crew().counters()).gauge(gauge)
}

fn resets_while_dialled(kind: Kind) {
    const AT_ONCE: u32 = 100;
    let hole = BlackHole::open();
    let mut world = World::new(kind);
    world.map("a", "hole", &hole.address.to_string(), None);
    world.map("b", "echo", &Service::echo().address.to_string(), None);
    world.start_proxy("");
    let mut tunnel = RawTunnel::open(&world, &world.client("a", None));
    let said = beside_a_neighbour(("resets while dialling", kind), &world, || {
        for round in 0..3 {
            let ids = || (round * AT_ONCE..(round + 1) * AT_ONCE).map(|number| number * 2 + 1);
            tunnel.send(&ids().flat_map(|id| connect(id, "hole:80")).collect::<Vec<u8>>());
            let dials = || gauge(&world, Gauge::Dials);
            wait_until("every service is dialled", DEADLINE, || dials() >= u64::from(AT_ONCE));
            assert_eq!(dials(), u64::from(AT_ONCE), "those of the last round are given up");
            tunnel.send(&ids().flat_map(|id| rst(id, CANCEL)).collect::<Vec<u8>>());
            wait_until("every dial is given up", DEADLINE, || dials() == 0);
        }
        tunnel.last_word()
    });
    assert_eq!(said, Some(ENHANCE_YOUR_CALM));
    // 300 in three rounds of a tick or two: the burst is passed and its refill is not 100.
    let budget = u64::from(limits::PREMATURE_RESET_RATE.burst);
    assert!(budget < u64::from(3 * AT_ONCE), "three rounds are too few for the budget");
    world.wait_counted(Count::Refused("premature_reset_flood"), 1);
    world.wait_counted(Count::Refused("client_aborted"), u64::from(3 * AT_ONCE));
    assert_eq!(world.counted(Count::Refused("reset_flood")), 0);
    world.wait_empty();
}

fn endless_dials(kind: Kind) {
    let hole = BlackHole::open();
    let mut world = World::new(kind);
    world.map("a", "hole", &hole.address.to_string(), None);
    world.map("b", "echo", &Service::echo().address.to_string(), None);
    world.start_proxy("");
    let files = world.client("a", None);
    let (dials, refused) =
        (|| gauge(&world, Gauge::Dials), || world.counted(Count::Refused("tenant_limit")));
    let mut tunnels = Vec::new();
    // More than two workers dial, on whichever of them the tunnels are.
    for opened in (1..=4).map(|tunnels| tunnels * 1000) {
        let mut tunnel = RawTunnel::open(&world, &files);
        let streams = (0..1000).map(|number| number * 2 + 1);
        tunnel.send(&streams.flat_map(|id| connect(id, "hole:80")).collect::<Vec<u8>>());
        tunnels.push(tunnel);
        wait_until("each is dialled or refused", DEADLINE, || dials() + refused() == opened);
    }
    assert!(dials() <= 2 * limits::DIALS_PER_TENANT_MAX as u64, "{} dials", dials());
    let other = world.client("b", None);
    for _ in 0..8 {
        RawTunnel::open(&world, &other).open_stream(1, "echo");
    }
    assert_eq!(world.counted(Count::Refused("overloaded")), 0);
    drop(tunnels);
    world.wait_empty();
}

fn hoarding(kind: Kind) {
    let mut world = World::new(kind);
    let echo = Service::echo();
    world.map("a", "echo", &echo.address.to_string(), None);
    world.map("b", "echo", &echo.address.to_string(), None);
    world.start_proxy("[limits]\nstreams_per_tunnel_max = 5\nstreams_per_subaccount_max = 8\n");
    let files = world.client("a", None);
    let mut first = RawTunnel::open(&world, &files);
    for stream in [1, 3, 5, 7, 9] {
        first.open_stream(stream, "echo");
    }
    first.send(&connect(11, "echo:80"));
    assert_eq!(number(&first.wait_for(RST_STREAM, 11).payload), REFUSED_STREAM);
    world.wait_counted(Count::Refused("provoked_reset"), 1);
    let mut second = RawTunnel::open(&world, &files);
    for stream in [1, 3, 5] {
        second.open_stream(stream, "echo");
    }
    assert_eq!(second.ask(7, "echo:80"), 429);
    world.wait_counted(Count::Refused("tenant_limit"), 1);
    assert_eq!(echo.accepted(), 8, "those refused were not dialled");
    // Another subaccount has its own places, and those open keep theirs.
    let mut other = RawTunnel::open(&world, &world.client("b", None));
    for stream in [1, 3, 5, 7, 9] {
        other.open_stream(stream, "echo");
    }
    first.ping(9, b"still mine");
    // A place that is given back is there for the next one, on either tunnel.
    first.send(&rst(1, CANCEL));
    wait_until("its place is free", DEADLINE, || gauge(&world, Gauge::Streams) == 12);
    second.open_stream(9, "echo");
    second.ping(9, b"mine now");
}

fn handshakes(kind: Kind) {
    let mut world = World::new(kind);
    world.map("a", "echo", &Service::echo().address.to_string(), None);
    world.start_proxy("[limits]\nhandshakes_per_second_max = 2\n");
    let config = client_config(&world, Some(&world.client("a", None)));
    let mut before = open_service(&world, &config, "echo");
    // Two workers let eight through at once, and two more a second.
    const CONNECTIONS: u64 = 100;
    let start = Instant::now();
    let held: Vec<TcpStream> =
        (0..CONNECTIONS).map(|_| dial_plain(world.proxy_address())).collect();
    let refused = || world.counted(Count::Refused("handshake_rate"));
    let accepted = || world.counted(Count::Accepted);
    wait_until("all are judged", DEADLINE, || {
        accepted() == CONNECTIONS + 1 && refused() + world.sessions() as u64 > CONNECTIONS
    });
    let let_in = 2 * (8 + 2 * (1 + start.elapsed().as_secs()));
    assert!(refused() + let_in > CONNECTIONS, "{} refused of {CONNECTIONS}", refused());
    assert!(is_turned_away(world.proxy_address()), "before it has said anything");
    // Another address has its own, and what was open stays.
    // Those who show a certificate may come as often as they like.
    for _ in 0..50 {
        ping(&mut open_service_from([127, 0, 0, 2], &world, &config, "echo"), "elsewhere");
    }
    ping(&mut before, "still there");
    drop(held);
    wait_until("the address is let in again", DEADLINE, || !is_turned_away(world.proxy_address()));
}

fn many_settings(kind: Kind) {
    let world = World::with_services(kind, &[("echo", Service::echo().address)]);
    let files = world.client("a", None);
    // Unknown settings are ignored (RFC 9113 §6.5.2), as many as fit.
    let entries = |count| settings(&vec![(0xbeef, 1); count]);
    let mut tunnel = RawTunnel::open(&world, &files);
    tunnel.send(&entries(limits::SETTINGS_ENTRIES_MAX));
    tunnel.open_stream(1, "echo");
    tunnel.ping(1, b"within");
    tunnel.send(&entries(limits::SETTINGS_ENTRIES_MAX + 1));
    assert_eq!(tunnel.last_word(), Some(ENHANCE_YOUR_CALM));
    world.wait_counted(Count::Refused("settings_flood"), 1);
    // The largest that a frame holds, as the first thing that is said.
    let mut tunnel = RawTunnel::with_settings(&world, &files, &vec![(0xbeef, 1); 10_000]);
    assert_eq!(tunnel.last_word(), Some(ENHANCE_YOUR_CALM));
    world.wait_counted(Count::Refused("settings_flood"), 2);
    world.wait_empty();
}

fn many_fields(kind: Kind) {
    let world = World::with_services(kind, &[("echo", Service::echo().address)]);
    let mut tunnel = RawTunnel::open(&world, &world.client("a", None));
    // The same name again and again, too: how many fields there are is not how many names.
    for (stream, one_name) in [(1, false), (5, true)] {
        let block = |fields: usize| {
            let name = |number| if one_name { "x".to_owned() } else { format!("x-{number}") };
            let fields = (0..fields).flat_map(|number| literal(&name(number), "y"));
            connect_block("echo:80").into_iter().chain(fields).collect::<Vec<u8>>()
        };
        tunnel.send(&frame(HEADERS, END_HEADERS, stream, &block(limits::HEAD_FIELDS_MAX)));
        assert_eq!(status(&tunnel.wait_for(HEADERS, stream)), 200, "one name: {one_name}");
        let block = block(limits::HEAD_FIELDS_MAX + 1);
        tunnel.send(&frame(HEADERS, END_HEADERS, stream + 2, &block));
        assert_eq!(status(&tunnel.wait_for(HEADERS, stream + 2)), 400, "one name: {one_name}");
    }
    world.wait_counted(Count::Refused("malformed"), 2);
    tunnel.send(&frame(PING, 0, 0, b"are well"));
    assert_eq!(tunnel.wait_for(PING, 0).payload, b"are well");
    tunnel.ping(1, b"and goes on");
}

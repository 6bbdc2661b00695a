//! Attacks on HTTP/2 by a subaccount with a valid certificate (RFC 9113 §10.5 and its successors)
//! that must end the attacker's tunnel: with the right GOAWAY, counted by its reason, and without
//! harm to a neighbour. What an attack before the certificate costs is in `hostile.rs`.

use std::{
    thread,
    time::{Duration, Instant},
};

use causeway::{
    engine::Kind,
    telemetry::{Count, CountersSnapshot, Gauge},
};

use crate::support::{
    ClientFiles, DEADLINE, Neighbour, Service, Suite, World, buffer_bytes, give_way,
    http2::{
        CONTINUATION, DATA, END_HEADERS, ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR, HEADERS, PING,
        PRIORITY, PROTOCOL_ERROR, RawTunnel, connect, connect_block, frame, literal, rst, settings,
        window_update,
    },
    wait_until,
};

pub fn add(suite: &mut Suite) {
    suite.both("guests_that_come_and_go_without_an_attack_are_all_let_in", guests);
    suite.both("rapid_resets_end_the_tunnel", rapid_reset);
    suite.both("resets_of_streams_that_are_over_end_the_tunnel", reset_flood);
    suite.both("resets_provoked_from_us_end_the_tunnel", provoked_reset);
    suite.both("an_endless_header_block_ends_the_tunnel", continuation);
    suite.both("header_bombs_end_the_tunnel_unexpanded", header_bomb);
    suite.both("a_header_table_beyond_its_bound_ends_the_tunnel", header_table);
    suite.both("a_flood_of_settings_ends_the_tunnel", settings_flood);
    suite.both("a_flood_of_pings_ends_the_tunnel", ping_flood);
    suite.both("a_flood_of_priorities_ends_the_tunnel", priority_flood);
    suite.both("a_flood_of_unknown_frames_ends_the_tunnel", unknown_flood);
    suite.both("a_flood_of_empty_data_ends_the_tunnel", empty_data);
    suite.both("headers_without_a_name_end_the_tunnel", nameless);
    suite.both("windows_opened_byte_by_byte_end_the_tunnel", tiny_increments);
    suite.both("a_window_beyond_its_bound_ends_the_tunnel", window_overflow);
    suite.both("a_window_opened_by_nothing_ends_the_tunnel", window_by_nothing);
    suite.both("an_initial_window_beyond_its_bound_ends_the_tunnel", initial_window);
    suite.both("stream_ids_out_of_order_end_the_tunnel", stream_ids);
}

/// An attacker comes back as often as it is let for this long.
const SIEGE: Duration = Duration::from_millis(1000);
/// Connections it attacks over at a time: enough to take every turn that both workers give it.
const ATTACKERS: usize = 4;
/// What the attacks may make a proxy hold, in buffers of its pool: a few tunnels' worth.
const BUFFER_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// What an attack does on a tunnel of its own, and what must come of it.
struct Attack {
    what: &'static str,
    mount: fn(&mut RawTunnel),
    goaway: u32,
    /// Which of the counters it is depends, where there are several, on how the bytes arrive.
    counted: &'static [&'static str],
}

impl Attack {
    /// Mounts the attack again and again.
    fn run(self, kind: Kind) {
        let echo = Service::echo();
        let mut world = World::new(kind);
        world.map("a", "echo", &echo.address.to_string(), None);
        world.map("b", "echo", &echo.address.to_string(), None);
        world.start_proxy(&pace());
        let files = world.client("a", None);
        let counters = world.proxy().crew().counters();
        let mut neighbour = Neighbour::alone(&world);
        let besiege = || {
            thread::scope(|scope| {
                let attacker = || scope.spawn(|| siege(|| self.round(&world, &files)));
                let attackers: Vec<_> = (0..ATTACKERS).map(|_| attacker()).collect();
                attackers.into_iter().map(|attacker| attacker.join().unwrap()).sum::<u64>()
            })
        };
        let mut rounds = neighbour.beside(besiege);
        let sieges = sieges();
        for _ in 1..sieges {
            neighbour.alone_again();
            rounds += neighbour.beside(besiege);
        }
        neighbour.report(self.what, kind);
        println!("{} on {kind}: {rounds} attacks in {sieges} times {SIEGE:?}", self.what);
        let counted =
            || self.counted.iter().map(|reason| world.counted(Count::Refused(reason))).sum::<u64>();
        wait_until("every tunnel is counted by its reason", DEADLINE, || counted() >= rounds);
        assert_eq!(counted(), rounds);
        assert_eq!(world.counted(Count::Refused("other")), 0);
        drop(neighbour);
        // Nothing of the attacker is left, neither tunnels nor dials.
        world.wait_empty();
        let dials = || CountersSnapshot::of(counters).gauge(Gauge::Dials);
        wait_until("every dial is given up", DEADLINE, || dials() == 0);
    }

    /// Comes back once. Whether the proxy let it.
    fn round(&self, world: &World, files: &ClientFiles) -> bool {
        let mut tunnel = RawTunnel::open(world, files);
        if !tunnel.was_let_in() {
            return false;
        }
        (self.mount)(&mut tunnel);
        assert_eq!(tunnel.last_word(), Some(self.goaway), "GOAWAY");
        let held = buffer_bytes(world.proxy().crew().counters());
        assert!(held < BUFFER_BYTES_MAX, "{held} bytes of buffers");
        true
    }
}

/// The proxy's default, or another to compare it with.
fn pace() -> String {
    std::env::var("CAUSEWAY_PACE").map_or_else(
        |_| String::new(),
        |pace| format!("[limits]\noffender_handshakes_per_second = {pace}\n"),
    )
}

/// How often it is besieged; `CAUSEWAY_ROUNDS` sets another number, for figures.
fn sieges() -> u32 {
    std::env::var("CAUSEWAY_ROUNDS").map_or(1, |text| text.parse().unwrap())
}

/// Comes back for a while as often as it is let; says how often that was.
fn siege(mut come: impl FnMut() -> bool) -> u64 {
    let (start, mut rounds) = (Instant::now(), 0);
    give_way();
    while rounds == 0 || start.elapsed() < SIEGE {
        rounds += u64::from(come());
        assert!(start.elapsed() < DEADLINE, "the proxy lets nobody in");
    }
    rounds
}

/// What coming back costs a neighbour by itself: handshakes, which the guest pays for as well.
fn guests(kind: Kind) {
    let echo = Service::echo();
    let mut world = World::new(kind);
    world.map("b", "echo", &echo.address.to_string(), None);
    world.start_proxy("");
    let files = world.client("a", None);
    let mut neighbour = Neighbour::alone(&world);
    let rounds = neighbour.beside(|| siege(|| RawTunnel::open(&world, &files).next().is_some()));
    neighbour.report("reconnects without an attack", kind);
    // Nobody has offended, so nobody waits, and each of them was served.
    assert_eq!(world.counted(Count::Refused("offender_rate")), 0);
    assert_eq!(world.counted(Count::HandshakesOk), rounds + 1);
}

/// Sends pieces until the proxy has had enough.
fn pour(tunnel: &mut RawTunnel, mut piece: impl FnMut(u32) -> Vec<u8>) {
    let start = Instant::now();
    for round in 0.. {
        if !tunnel.send(&piece(round)) {
            return;
        }
        assert!(start.elapsed() < DEADLINE, "the proxy puts up with it, round {round}");
    }
}

/// The same with so many frames at a time.
fn pour_frames(tunnel: &mut RawTunnel, at_once: u32, one: impl Fn(u32) -> Vec<u8>) {
    pour(tunnel, |round| (round * at_once..(round + 1) * at_once).flat_map(&one).collect());
}

/// The id of a client's stream.
fn id(number: u32) -> u32 {
    number * 2 + 1
}

fn rapid_reset(kind: Kind) {
    let mount = |tunnel: &mut RawTunnel| {
        pour_frames(tunnel, 100, |n| [connect(id(n), "echo:80"), rst(id(n), 8)].concat());
    };
    let counted = &["http2_excess", "premature_reset_flood", "reset_flood"];
    Attack { what: "rapid reset", mount, goaway: ENHANCE_YOUR_CALM, counted }.run(kind);
}

fn reset_flood(kind: Kind) {
    let mount = |tunnel: &mut RawTunnel| {
        tunnel.open_stream(1, "echo");
        pour_frames(tunnel, 500, |_| rst(1, 8));
    };
    Attack {
        what: "resets of one stream",
        mount,
        goaway: ENHANCE_YOUR_CALM,
        counted: &["reset_flood"],
    }
    .run(kind);
}

fn provoked_reset(kind: Kind) {
    let mount = |tunnel: &mut RawTunnel| {
        // A window that overflows is the stream's error (RFC 9113 §6.9.1), the reset is ours.
        pour_frames(tunnel, 10, |n| {
            [connect(id(n), "echo:80"), window_update(id(n), 0x7fff_ffff)].concat()
        });
    };
    Attack {
        what: "provoked resets",
        mount,
        goaway: ENHANCE_YOUR_CALM,
        // A stream that we reset is over before it was answered, too.
        counted: &["provoked_reset_flood", "premature_reset_flood", "http2_excess"],
    }
    .run(kind);
}

fn continuation(kind: Kind) {
    let mount = |tunnel: &mut RawTunnel| {
        tunnel.send(&frame(HEADERS, 0, 1, &connect_block("echo:80")));
        pour_frames(tunnel, 10, |_| frame(CONTINUATION, 0, 1, &literal("x", "y")));
    };
    Attack {
        what: "endless header block",
        mount,
        goaway: ENHANCE_YOUR_CALM,
        counted: &["continuation_flood"],
    }
    .run(kind);
}

fn header_bomb(kind: Kind) {
    let mount = |tunnel: &mut RawTunnel| {
        // One entry of 3900 bytes in the dynamic table, then 1000 times its index: 4 MB.
        let mut entry = literal("x", &"y".repeat(3900));
        entry[0] = 0x40;
        let block = [connect_block("echo:80"), entry, vec![0xbe; 1000]].concat();
        pour_frames(tunnel, 10, |n| frame(HEADERS, END_HEADERS, id(n), &block));
    };
    Attack {
        what: "header bomb",
        mount,
        goaway: ENHANCE_YOUR_CALM,
        counted: &["provoked_reset_flood", "http2_excess"],
    }
    .run(kind);
}

fn header_table(kind: Kind) {
    let mount = |tunnel: &mut RawTunnel| {
        // A dynamic table size update to 1 MiB (RFC 7541 §6.3); the HTTP/2 crate calls every
        // error of HPACK a PROTOCOL_ERROR.
        let block = [vec![0x3f, 0xe1, 0xff, 0x3f], connect_block("echo:80")].concat();
        tunnel.send(&frame(HEADERS, END_HEADERS, 1, &block));
    };
    Attack { what: "header table", mount, goaway: PROTOCOL_ERROR, counted: &["http2_protocol"] }
        .run(kind);
}

fn settings_flood(kind: Kind) {
    let mount = |tunnel: &mut RawTunnel| {
        pour_frames(tunnel, 20, |_| settings(&[]));
    };
    Attack {
        what: "settings flood",
        mount,
        goaway: ENHANCE_YOUR_CALM,
        counted: &["settings_flood"],
    }
    .run(kind);
}

fn ping_flood(kind: Kind) {
    let mount = |tunnel: &mut RawTunnel| {
        pour_frames(tunnel, 20, |_| frame(PING, 0, 0, &[0; 8]));
    };
    Attack { what: "ping flood", mount, goaway: ENHANCE_YOUR_CALM, counted: &["ping_flood"] }
        .run(kind);
}

fn priority_flood(kind: Kind) {
    let mount = |tunnel: &mut RawTunnel| {
        pour_frames(tunnel, 100, |n| frame(PRIORITY, 0, id(n), &[0, 0, 0, 0, 1]));
    };
    Attack {
        what: "priority flood",
        mount,
        goaway: ENHANCE_YOUR_CALM,
        counted: &["ignored_frame_flood"],
    }
    .run(kind);
}

fn unknown_flood(kind: Kind) {
    let mount = |tunnel: &mut RawTunnel| {
        pour_frames(tunnel, 100, |_| frame(0xbe, 0, 0, b"what?"));
    };
    Attack {
        what: "unknown frames",
        mount,
        goaway: ENHANCE_YOUR_CALM,
        counted: &["ignored_frame_flood"],
    }
    .run(kind);
}

fn empty_data(kind: Kind) {
    let mount = |tunnel: &mut RawTunnel| {
        tunnel.open_stream(1, "echo");
        pour_frames(tunnel, 5, |_| frame(DATA, 0, 1, b""));
    };
    Attack { what: "empty data", mount, goaway: ENHANCE_YOUR_CALM, counted: &["empty_data_flood"] }
        .run(kind);
}

fn nameless(kind: Kind) {
    let mount = |tunnel: &mut RawTunnel| {
        let block = [connect_block("echo:80"), literal("", "").repeat(100)].concat();
        pour_frames(tunnel, 10, |n| frame(HEADERS, END_HEADERS, id(n), &block));
    };
    Attack {
        what: "headers without a name",
        mount,
        goaway: PROTOCOL_ERROR,
        counted: &["http2_protocol"],
    }
    .run(kind);
}

fn tiny_increments(kind: Kind) {
    let mount = |tunnel: &mut RawTunnel| {
        pour_frames(tunnel, 5000, |_| window_update(0, 1));
    };
    Attack {
        what: "tiny increments",
        mount,
        goaway: ENHANCE_YOUR_CALM,
        counted: &["window_update_flood"],
    }
    .run(kind);
}

fn window_overflow(kind: Kind) {
    let mount = |tunnel: &mut RawTunnel| {
        tunnel.send(&window_update(0, 0x7fff_ffff));
    };
    Attack {
        what: "window overflow",
        mount,
        goaway: FLOW_CONTROL_ERROR,
        counted: &["http2_flow_control"],
    }
    .run(kind);
}

fn window_by_nothing(kind: Kind) {
    let mount = |tunnel: &mut RawTunnel| {
        tunnel.send(&window_update(0, 0));
    };
    Attack {
        what: "increment of nothing",
        mount,
        goaway: PROTOCOL_ERROR,
        counted: &["http2_protocol"],
    }
    .run(kind);
}

fn initial_window(kind: Kind) {
    let mount = |tunnel: &mut RawTunnel| {
        // RFC 9113 §6.5.2 says FLOW_CONTROL_ERROR; the HTTP/2 crate does not tell it apart.
        tunnel.send(&settings(&[(0x4, 0x8000_0000)]));
    };
    Attack { what: "initial window", mount, goaway: PROTOCOL_ERROR, counted: &["http2_protocol"] }
        .run(kind);
}

fn stream_ids(kind: Kind) {
    let mount = |tunnel: &mut RawTunnel| {
        tunnel.open_stream(5, "echo");
        tunnel.send(&connect(4, "echo:80"));
    };
    Attack { what: "stream ids", mount, goaway: PROTOCOL_ERROR, counted: &["http2_protocol"] }
        .run(kind);
}

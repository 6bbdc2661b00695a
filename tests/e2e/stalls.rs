//! Peers that do not read, and peers whose service does not: what waits for them is bounded, costs
//! nobody else anything, and goes on from where it stopped.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    time::{Duration, Instant},
};

use causeway::{engine::Kind, limits, telemetry::Count};

use crate::{
    dials::BlackHole,
    support::{
        DEADLINE, Pattern, Service, Suite, World, beside_a_neighbour, bounded, buffer_bytes,
        http2::{
            ACK, DATA, END_STREAM, ENHANCE_YOUR_CALM, Frame, PING, RST_STREAM, RawTunnel, SETTINGS,
            connect, frame, settings, window_update,
        },
    },
};

pub fn add(suite: &mut Suite) {
    suite.both("streams_without_credit_wait_in_bounded_memory", no_credit);
    suite.both("a_tunnel_whose_client_stops_reading_waits_in_bounded_memory", no_reader);
    suite.both("a_window_shrunk_below_nothing_stalls_its_stream_until_it_is_enlarged", shrunk);
    suite.both("one_byte_frames_nobody_reads_end_their_tunnel", unread_bytes);
    suite.both("one_byte_frames_that_are_read_are_served", read_bytes);
}

const DOWN: Pattern = Pattern(171);
const INITIAL_WINDOW: u16 = 0x4;
/// As large as a window gets (RFC 9113 §6.9.1), less what it starts with.
const UNLIMITED: u32 = 0x7fff_ffff - 65_535;

/// How long a peer does nothing. Without a bound, a service here fills memory at gigabytes a
/// second.
const SILENCE: Duration = Duration::from_millis(300);

/// A service that says as much as is taken from it.
fn bulk() -> Service {
    Service::start(|stream| {
        let (mut stream, mut bytes) = (bounded(stream), vec![0; 64 * 1024]);
        for chunk in 0.. {
            DOWN.fill(chunk * bytes.len() as u64, &mut bytes);
            if stream.write_all(&bytes).is_err() {
                return;
            }
        }
    })
}

/// A world where `a` has `bulk` and its neighbour `b` has `echo`.
fn world(kind: Kind) -> World {
    let mut world = World::new(kind);
    world.map("a", "bulk", &bulk().address.to_string(), None);
    world.map("b", "echo", &Service::echo().address.to_string(), None);
    world.start_proxy("");
    world
}

/// How far each stream of a tunnel has received the pattern, every byte checked.
struct Received<'t> {
    tunnel: &'t mut RawTunnel,
    at: BTreeMap<u32, u64>,
}

impl<'t> Received<'t> {
    fn nothing(tunnel: &'t mut RawTunnel) -> Self {
        Self { tunnel, at: BTreeMap::new() }
    }

    /// Takes the next frame.
    fn next(&mut self) -> Frame {
        let frame = self.tunnel.next().expect("the tunnel goes on");
        assert!(frame.kind != RST_STREAM, "{frame:?}");
        if frame.kind == DATA {
            let at = self.at.entry(frame.stream).or_default();
            DOWN.check(*at, &frame.payload);
            *at += frame.payload.len() as u64;
        }
        frame
    }

    /// Takes frames until an answer of that kind.
    fn until_answered(&mut self, kind: u8) {
        loop {
            let frame = self.next();
            if frame.kind == kind && frame.flags & ACK != 0 {
                return;
            }
        }
    }

    /// Takes all that comes within some round trips.
    fn settle(&mut self) {
        for _ in 0..5 {
            self.tunnel.send(&frame(PING, 0, 0, b"anything"));
            self.until_answered(PING);
        }
    }

    fn of(&self, stream: u32) -> u64 {
        self.at.get(&stream).copied().unwrap_or(0)
    }

    fn total(&self) -> u64 {
        self.at.values().sum()
    }
}

/// Does nothing for a while but to look at the proxy's buffers.
fn be_silent(world: &World, buffer_bytes_max: usize) {
    let start = Instant::now();
    while start.elapsed() < SILENCE {
        let held = buffer_bytes(world.proxy().crew().counters());
        assert!(held <= buffer_bytes_max as u64, "{held} bytes of buffers");
        std::thread::sleep(Duration::from_millis(10)); // pace: of the looks
    }
}

/// Two chunks on their way down, one being received, and one direction up.
const BUFFERS_PER_STREAM: usize = 4;
/// What tunnels and the neighbour's stream hold beside that.
const BUFFERS_BESIDE: usize = 8 * limits::BUFFER_LARGE_BYTES;

fn no_credit(kind: Kind) {
    const STREAMS: u32 = 40;
    let world = world(kind);
    let mut tunnel = RawTunnel::open(&world, &world.client("a", None));
    let mut received = Received::nothing(&mut tunnel);
    beside_a_neighbour(("no credit", kind), &world, || {
        for number in 0..STREAMS {
            received.tunnel.send(&connect(number * 2 + 1, "bulk:80"));
        }
        while received.total() < 65_535 {
            received.next();
        }
        // None of them has received enough for larger buffers.
        let buffers = STREAMS as usize * BUFFERS_PER_STREAM * limits::BUFFER_SMALL_BYTES;
        be_silent(&world, buffers + BUFFERS_BESIDE);
        received.settle();
        assert_eq!(received.total(), 65_535, "as much as a tunnel may carry unasked");
    });
    received.tunnel.send(&window_update(0, UNLIMITED));
    while (0..STREAMS).any(|number| received.of(number * 2 + 1) < 65_535) {
        received.next();
    }
    received.settle();
    assert_eq!(received.total(), 65_535 * u64::from(STREAMS), "as much as their windows allow");
}

fn no_reader(kind: Kind) {
    const STREAMS: u32 = 8;
    let world = world(kind);
    let files = world.client("a", None);
    let mut tunnel = RawTunnel::with_settings(&world, &files, &[(INITIAL_WINDOW, 0)]);
    for number in 0..STREAMS {
        tunnel.open_stream(number * 2 + 1, "bulk");
    }
    beside_a_neighbour(("no reader", kind), &world, || {
        tunnel.send(&settings(&[(INITIAL_WINDOW, UNLIMITED)]));
        tunnel.send(&window_update(0, UNLIMITED));
        let buffers = STREAMS as usize * BUFFERS_PER_STREAM * limits::BUFFER_LARGE_BYTES;
        be_silent(&world, buffers + BUFFERS_BESIDE);
    });
    // Beyond what the kernel can have kept on the way, nothing is missing and nothing is wrong.
    let mut received = Received::nothing(&mut tunnel);
    while received.total() < 24 * 1024 * 1024 {
        received.next();
    }
    assert_eq!(received.at.len(), STREAMS as usize, "every stream has its turn");
}

fn shrunk(kind: Kind) {
    let world = world(kind);
    let mut tunnel = RawTunnel::open(&world, &world.client("a", None));
    tunnel.open_stream(1, "bulk");
    let mut received = Received::nothing(&mut tunnel);
    while received.of(1) == 0 {
        received.next();
    }
    let initial_window = |received: &mut Received<'_>, bytes: u32| {
        received.tunnel.send(&settings(&[(INITIAL_WINDOW, bytes)]));
        received.until_answered(SETTINGS);
    };
    // Less than what is under way already: the stream is in debt (RFC 9113 §6.9.2).
    initial_window(&mut received, 0);
    let stalled_at = received.of(1);
    received.settle();
    assert_eq!(received.of(1), stalled_at, "no byte without a window");
    let debt = u32::try_from(stalled_at).unwrap();
    received.tunnel.send(&[window_update(1, debt), window_update(0, UNLIMITED)].concat());
    received.settle();
    assert_eq!(received.of(1), stalled_at, "the debt is paid and no more");
    initial_window(&mut received, 1000);
    received.settle();
    assert_eq!(received.of(1), stalled_at + 1000, "what the window allows, to the byte");
    initial_window(&mut received, 10_000_000);
    while received.of(1) < stalled_at + 10_000_000 {
        received.next();
    }
    received.settle();
    assert_eq!(received.of(1), stalled_at + 10_000_000);
}

/// Frames of one byte each, in turn on the first `streams` streams of a client.
fn bytes_for(streams: u32, count: u32) -> Vec<u8> {
    (0..count).flat_map(|number| frame(DATA, 0, number % streams * 2 + 1, b"x")).collect()
}

/// So many frames of one byte may lie unread.
fn unread_frames_max() -> u32 {
    u32::try_from(limits::SMALL_FRAMES_BUDGET_BYTES / 255).unwrap()
}

fn unread_bytes(kind: Kind) {
    const STREAMS: u32 = 50;
    let hole = BlackHole::open();
    let mut world = World::new(kind);
    // A service that is dialled and never answers reads nothing at all.
    world.map("a", "hole", &hole.address.to_string(), None);
    world.map("b", "echo", &Service::echo().address.to_string(), None);
    world.start_proxy("");
    let mut tunnel = RawTunnel::open(&world, &world.client("a", None));
    let said = beside_a_neighbour(("one-byte frames", kind), &world, || {
        for number in 0..STREAMS {
            tunnel.send(&connect(number * 2 + 1, "hole:80"));
        }
        let (piece, start, mut sent) = (bytes_for(STREAMS, 5000), Instant::now(), 0);
        while tunnel.flood(&piece) {
            sent += 5000;
            assert!(start.elapsed() < DEADLINE, "the proxy puts up with {sent}");
        }
        assert!(sent >= unread_frames_max(), "{sent} were too many already");
        tunnel.last_word()
    });
    assert_eq!(said, Some(ENHANCE_YOUR_CALM));
    world.wait_counted(Count::Refused("http2_excess"), 1);
    world.wait_counted(Count::Refused("client_aborted"), u64::from(STREAMS));
    world.wait_empty();
}

fn read_bytes(kind: Kind) {
    const STREAMS: u32 = 4;
    let count = Service::start(|stream| {
        let (mut stream, mut bytes) = (bounded(stream), Vec::new());
        if stream.read_to_end(&mut bytes).is_ok() {
            stream.write_all(&bytes.len().to_be_bytes()).unwrap();
        }
    });
    let world = World::with_services(kind, &[("count", count.address)]);
    let mut tunnel = RawTunnel::open(&world, &world.client("a", None));
    for number in 0..STREAMS {
        tunnel.open_stream(number * 2 + 1, "count");
    }
    let each = 2 * unread_frames_max() / STREAMS;
    for _ in 0..each / 1000 {
        assert!(tunnel.send(&bytes_for(STREAMS, 1000 * STREAMS)), "they are read");
    }
    for number in 0..STREAMS {
        tunnel.send(&frame(DATA, END_STREAM, number * 2 + 1, b""));
        let said = tunnel.wait_for(DATA, number * 2 + 1).payload;
        assert_eq!(said, (each as usize / 1000 * 1000).to_be_bytes());
    }
}

//! What goes in comes out: gigabytes in pieces of every size, both ways, by SHA-256.

use std::{
    io::{Read, Write},
    net::Shutdown,
    thread,
    time::Instant,
};

use causeway::{engine::Kind, telemetry::Count};
use sha2::{Digest, Sha256};

use crate::{
    local_ports::Site,
    local_tls::LOCAL_TLS,
    support::{
        HOST, Pattern, Service, Suite, TlsStream, World, bounded, connect, count, open_stream,
        tls_connect, wait_ended,
    },
};

pub fn add(suite: &mut Suite) {
    suite.all("a_gibibyte_up_arrives_unchanged", |kind| through_both(kind, GIB, 0));
    suite.all("a_gibibyte_down_arrives_unchanged", |kind| through_both(kind, 0, GIB));
    suite.all("both_directions_at_once_arrive_unchanged", |kind| {
        through_both(kind, GIB / 4, GIB / 4);
    });
    suite.all("a_foreign_tls_client_gets_and_sends_unchanged_bytes", straight);
    suite.all("a_tls_client_of_a_local_port_gets_and_sends_unchanged_bytes", local);
}

const GIB: u64 = 1 << 30;
/// Pieces are up to this long: above the largest buffer of the relay.
const PIECE_MAX: usize = 300 * 1024;
const DIGEST: usize = 32;

/// What the client asks of the service: how many bytes to send back, of which pattern.
#[derive(Clone, Copy)]
struct Order {
    down: u64,
    pattern: Pattern,
}

impl Order {
    fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.down.to_le_bytes());
        bytes[8..].copy_from_slice(&self.pattern.0.to_le_bytes());
        bytes
    }

    fn read(stream: &mut impl Read) -> Self {
        let mut word = || {
            let mut bytes = [0; 8];
            stream.read_exact(&mut bytes).unwrap();
            u64::from_le_bytes(bytes)
        };
        Self { down: word(), pattern: Pattern(word()) }
    }
}

/// Sends `total` bytes of `pattern` in pieces of random size; says what they hash to.
fn send(stream: &mut impl Write, pattern: Pattern, total: u64) -> [u8; DIGEST] {
    let mut sizes = fastrand::Rng::with_seed(pattern.0);
    let mut hash = Sha256::new();
    let mut bytes = vec![0; PIECE_MAX];
    let mut at = 0;
    while at < total {
        // As often short as long: a uniform choice would hardly ever be a few bytes.
        let longest = 1_usize << sizes.u32(0..=18);
        let piece = sizes.usize(1..=longest.min(PIECE_MAX)).max(sizes.usize(1..=PIECE_MAX) / 2);
        let piece = if sizes.u32(..8) == 0 { longest.min(PIECE_MAX) } else { piece };
        let piece = piece.min(usize::try_from(total - at).unwrap_or(PIECE_MAX));
        pattern.fill(at, &mut bytes[..piece]);
        hash.update(&bytes[..piece]);
        stream.write_all(&bytes[..piece]).unwrap();
        at += piece as u64;
    }
    hash.finalize().into()
}

/// Receives `total` bytes, or all there are; says how many and what they hash to.
fn receive(stream: &mut impl Read, total: u64) -> (u64, [u8; DIGEST]) {
    let mut hash = Sha256::new();
    let mut bytes = vec![0; PIECE_MAX];
    let mut left = total;
    while left > 0 {
        let room = bytes.len().min(usize::try_from(left).unwrap_or(PIECE_MAX));
        let read = stream.read(&mut bytes[..room]).unwrap();
        if read == 0 {
            break;
        }
        hash.update(&bytes[..read]);
        left -= read as u64;
    }
    (total - left, hash.finalize().into())
}

/// Sends what is ordered while it hashes what it gets, then the digest of that.
fn mirror() -> Service {
    Service::start(|stream| {
        let mut reading = bounded(stream.try_clone().unwrap());
        let mut writing = bounded(stream);
        let order = Order::read(&mut reading);
        let heard = thread::spawn(move || receive(&mut reading, u64::MAX).1);
        send(&mut writing, order.pattern, order.down);
        writing.write_all(&heard.join().unwrap()).unwrap();
        writing.shutdown(Shutdown::Write).unwrap();
    })
}

fn report(what: &str, kind: Kind, seed: u64, started: Instant, bytes: u64) {
    let seconds = started.elapsed().as_secs_f64();
    let rate = bytes as f64 / f64::from(1 << 20) / seconds;
    println!("{what} on {kind}: seed {seed:#x}, {seconds:.1} s, {rate:.0} MiB/s");
}

fn through_both(kind: Kind, up: u64, down: u64) {
    let service = mirror();
    let world = World::with_services(kind, &[("mirror", service.address)]);
    let (connector, channels) = world.connector(&["mirror"]);
    let seed = fastrand::u64(..);
    println!("seed {seed:#x}");
    let started = Instant::now();
    let mut reading = connect(channels[0]);
    let mut writing = reading.try_clone().unwrap();
    let order = Order { down, pattern: Pattern(seed ^ 1) };
    writing.write_all(&order.to_bytes()).unwrap();
    let sender = thread::spawn(move || {
        let digest = send(&mut writing, Pattern(seed), up);
        writing.shutdown(Shutdown::Write).unwrap();
        digest
    });
    check_answer(&mut reading, order);
    let sent = sender.join().unwrap();
    assert_digest(&mut reading, sent);
    report("through connector and proxy", kind, seed, started, up + down);
    for workers in [world.proxy().crew().counters(), connector.crew().counters()] {
        wait_ended(workers, &[("clean", 1)]);
        assert_eq!(count(workers, Count::BytesUp), up + 16);
        assert_eq!(count(workers, Count::BytesDown), down + DIGEST as u64);
    }
}

fn check_answer(stream: &mut impl Read, order: Order) {
    let (bytes, digest) = receive(stream, order.down);
    assert_eq!(bytes, order.down);
    assert_eq!(digest, send(&mut std::io::sink(), order.pattern, order.down), "down");
}

/// The service's digest of what it got, then the end.
fn assert_digest(stream: &mut impl Read, sent: [u8; DIGEST]) {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(answer, sent, "up");
}

fn straight(kind: Kind) {
    let service = mirror();
    let world = World::with_services(kind, &[("mirror", service.address)]);
    by_tls("straight to the proxy", kind, &|| open_stream(&world, "mirror"));
    wait_ended(world.proxy().crew().counters(), &[("clean", 2)]);
}

fn local(kind: Kind) {
    let service = mirror();
    let world = World::with_services(kind, &[("echo", service.address)]);
    let site = Site::start(&world, LOCAL_TLS);
    let port = site.running.channels()[0].address.unwrap();
    by_tls("TLS on the local port", kind, &|| tls_connect(port, HOST, &world.path("ca.crt"), None));
    for workers in [world.proxy().crew().counters(), site.running.crew().counters()] {
        wait_ended(workers, &[("clean", 2)]);
    }
}

fn by_tls(what: &str, kind: Kind, open: &dyn Fn() -> TlsStream) {
    let seed = fastrand::u64(..);
    println!("seed {seed:#x}");
    for (up, down) in [(64 << 20, 0), (0, 64 << 20)] {
        let started = Instant::now();
        let mut tls = open();
        let order = Order { down, pattern: Pattern(seed ^ 1) };
        tls.write_all(&order.to_bytes()).unwrap();
        let sent = send(&mut tls, Pattern(seed), up);
        tls.conn.send_close_notify();
        tls.flush().unwrap();
        check_answer(&mut tls, order);
        assert_digest(&mut tls, sent);
        report(what, kind, seed, started, up + down);
    }
}

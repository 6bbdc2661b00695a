//! What the streams of one tunnel do to each other: one that is not read must not stop the others,
//! and bulk must not delay what is small.

use std::{
    env,
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use causeway::engine::Kind;

use crate::support::{
    DEADLINE, End, Measured, Pattern, Service, Suite, World, all_warm, bounded, connect,
    read_to_end,
};

pub fn add(suite: &mut Suite) {
    suite.multiplexed("one_stalled_reader_leaves_the_tunnel_to_the_others", stalled);
    suite.multiplexed("a_channel_with_many_tunnels_serves_every_client", many_tunnels);
    suite.multiplexed("pings_get_through_beside_bulk_on_the_same_tunnel", pings);
}

const DOWN: Pattern = Pattern(71);
const STREAMS: usize = 32;
const BULK_BYTES: u64 = 8 << 20;
/// One stalled stream may have its whole window on loan at each end, and the buffers of the
/// others come and go.
const GROWTH_MAX: u64 = 128 << 20;

/// Sends as many bytes of the pattern as the client asks for, then ends.
fn giver() -> Service {
    Service::start(|stream| {
        let mut stream = bounded(stream);
        let mut order = [0; 8];
        // The probe that waits for the connector asks for nothing.
        if stream.read_exact(&mut order).is_err() {
            return;
        }
        let total = u64::from_le_bytes(order);
        let mut bytes = vec![0; 64 * 1024];
        for at in (0..total).step_by(bytes.len()) {
            let piece = bytes.len().min((total - at) as usize);
            DOWN.fill(at, &mut bytes[..piece]);
            // A client that has heard enough resets.
            if stream.write_all(&bytes[..piece]).is_err() {
                return;
            }
        }
        let _ = stream.shutdown(Shutdown::Write);
        let _ = stream.read(&mut [0]);
    })
}

fn ask(channel: SocketAddr, bytes: u64) -> TcpStream {
    let mut stream = connect(channel);
    stream.write_all(&bytes.to_le_bytes()).unwrap();
    stream
}

fn take(mut stream: TcpStream, bytes: u64) {
    assert_eq!(read_to_end(&mut stream, DOWN, 0), (bytes, End::Eof));
}

/// How many bytes a second arrive on `streams` streams.
fn rate(channel: SocketAddr, streams: usize) -> f64 {
    let started = Instant::now();
    thread::scope(|scope| {
        for _ in 0..streams {
            scope.spawn(|| take(ask(channel, BULK_BYTES), BULK_BYTES));
        }
    });
    (BULK_BYTES * streams as u64) as f64 / started.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// `CAUSEWAY_ROUNDS` sets another number of rounds.
fn stalled(kind: Kind) {
    let rounds = env::var("CAUSEWAY_ROUNDS").map_or(3, |text| text.parse().unwrap());
    let service = giver();
    let world = World::new(kind);
    world.map("a", "s", &service.address.to_string(), None);
    let proxy = Measured::proxy(&world);
    let connector = Measured::connector_with(&world, &proxy, "s", "connections = 1\n");
    let channel = connector.address;
    rate(channel, STREAMS - 1);
    let resident = || proxy.resident_bytes() + connector.resident_bytes();
    let before = resident();
    let (mut free, mut beside) = (Vec::new(), Vec::new());
    let mut most = 0;
    for _ in 0..rounds {
        free.push(rate(channel, STREAMS - 1));
        let stuck = ask(channel, 4 * BULK_BYTES);
        // deadline: long enough for every buffer on the way to fill
        thread::sleep(Duration::from_millis(300));
        beside.push(rate(channel, STREAMS - 1));
        most = most.max(resident());
        take(stuck, 4 * BULK_BYTES);
    }
    let (free, beside) = (median(free), median(beside));
    println!(
        "31 streams of one tunnel on {kind}: {:.0} MB/s, beside a stalled one {:.0} MB/s, ratio \
         {:.2}; {} MiB more at most",
        free / 1e6,
        beside / 1e6,
        beside / free,
        most.saturating_sub(before) >> 20
    );
    assert!(most < before + GROWTH_MAX, "{before} bytes have become {most}");
}

/// Sends back what comes.
fn ping_once(stream: &mut TcpStream, round: u64) -> Duration {
    let mut sent = [0; 64];
    Pattern(round).fill(0, &mut sent);
    let started = Instant::now();
    stream.write_all(&sent).unwrap();
    let mut back = [0; 64];
    stream.read_exact(&mut back).unwrap();
    assert_eq!(sent, back);
    started.elapsed()
}

fn ping_for(stream: &mut TcpStream, time: Duration) -> Vec<Duration> {
    let started = Instant::now();
    let mut took = Vec::new();
    while started.elapsed() < time {
        took.push(ping_once(stream, took.len() as u64));
        thread::sleep(Duration::from_millis(1)); // pace: not a load of its own
    }
    took.sort_unstable();
    took
}

/// Of both kinds, told apart by the first byte.
fn echo_or_bulk() -> Service {
    Service::start(|stream| {
        let mut stream = bounded(stream);
        let mut bytes = vec![0; 64 * 1024];
        let mut first = [0];
        if stream.read_exact(&mut first).is_err() {
            return;
        }
        if first == *b"b" {
            DOWN.fill(0, &mut bytes);
            while stream.write_all(&bytes).is_ok() {}
            return;
        }
        while let Ok(read @ 1..) = stream.read(&mut bytes) {
            if stream.write_all(&bytes[..read]).is_err() {
                return;
            }
        }
    })
}

fn pings(kind: Kind) {
    const TIME: Duration = Duration::from_secs(2);
    let service = echo_or_bulk();
    let world = World::new(kind);
    world.map("a", "s", &service.address.to_string(), None);
    let proxy = Measured::proxy(&world);
    let connector = Measured::connector_with(&world, &proxy, "s", "connections = 1\n");
    let mut pinging = connect(connector.address);
    pinging.write_all(b"p").unwrap();
    let alone = ping_for(&mut pinging, TIME / 4);
    let stop = Arc::new(AtomicBool::new(false));
    let bulk: Vec<_> = (0..4)
        .map(|_| {
            let (mut stream, stop) = (connect(connector.address), stop.clone());
            stream.write_all(b"b").unwrap();
            thread::spawn(move || {
                let mut bytes = vec![0; 128 * 1024];
                let mut total = 0;
                while !stop.load(Relaxed) {
                    total += stream.read(&mut bytes).unwrap() as u64;
                }
                total
            })
        })
        .collect();
    let started = Instant::now();
    let beside = ping_for(&mut pinging, TIME);
    stop.store(true, Relaxed);
    let bytes: u64 = bulk.into_iter().map(|reader| reader.join().unwrap()).sum();
    let rate = bytes as f64 / 1e6 / started.elapsed().as_secs_f64();
    for (what, took) in [("alone", &alone), ("beside bulk", &beside)] {
        let at = |share: f64| took[(took.len() as f64 * share) as usize].as_micros();
        println!(
            "64-byte pings {what} on {kind}: p50 {} µs, p99 {} µs, most {} µs, {} of them",
            at(0.5),
            at(0.99),
            took[took.len() - 1].as_micros(),
            took.len()
        );
    }
    println!("  bulk meanwhile: {rate:.0} MB/s");
    assert!(bytes > 0 && !beside.is_empty());
}

fn many_tunnels(kind: Kind) {
    let echo = Service::echo();
    let world = World::with_services(kind, &[("echo", echo.address)]);
    let files = world.client("a", None);
    let port = world.proxy_address().port();
    let more = "connections = 64\n";
    let (connector, channels) = world.connector_with("a", "", &files, port, &["echo"], more);
    all_warm(&connector, 0, DEADLINE);
    // More than there are tunnels, so that each of them gets some.
    let mut clients: Vec<TcpStream> = (0..256).map(|_| connect(channels[0])).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        ping_once(client, number as u64);
    }
}

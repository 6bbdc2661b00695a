//! What somebody who asks for everything every 100 ms costs the streams. A measurement, not a test:
//! run it alone with `cargo test --release --test e2e -- --ignored scraping`.
//!
//! Streams, their service and their client have one core, admin servers and scraper another: what
//! is measured is what a scrape takes from a worker, and not that two want the same core. The
//! kernel shares that out, and the admin server's threads stand back (`limits::ADMIN_NICE`).
//! `CAUSEWAY_CORES=shared` leaves all of them where the kernel puts them.

use std::{
    env, fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use causeway::engine::Kind;
use hdrhistogram::Histogram;

use crate::support::{Process, Running, Service, Site, Suite, bounded, get, sh};

pub fn add(suite: &mut Suite) {
    suite.measurement("scraping_everything_every_100_ms", scraping);
}

/// With a scraper and without; `CAUSEWAY_ROUNDS` sets another number.
fn pairs() -> usize {
    env::var("CAUSEWAY_ROUNDS").map_or(12, |text| text.parse().unwrap())
}

const ROUND: Duration = Duration::from_secs(3);
const INTERVAL: Duration = Duration::from_millis(100);
const PATHS: [&str; 6] = [
    "/metrics",
    "/histograms",
    "/histograms?format=v2",
    "/histograms?format=hlog",
    "/histograms?format=text&service=echoserver",
    "/status",
];

/// Round trips of 64 bytes on one stream, in nanoseconds.
fn ping_pong(stream: &mut TcpStream) -> Histogram<u64> {
    let mut histogram = Histogram::new_with_bounds(1, 60_000_000_000, 3).unwrap();
    let (until, mut bytes) = (Instant::now() + ROUND, [7; 64]);
    while Instant::now() < until {
        let since = Instant::now();
        stream.write_all(&bytes).unwrap();
        stream.read_exact(&mut bytes).unwrap();
        histogram.record(since.elapsed().as_nanos() as u64).unwrap();
    }
    histogram
}

fn scrape(admins: [SocketAddr; 2], stop: &AtomicBool) -> u32 {
    move_to(1, &own_thread());
    let mut scrapes = 0;
    while !stop.load(Relaxed) {
        let next = Instant::now() + INTERVAL;
        for admin in admins {
            for path in PATHS {
                assert_eq!(get(admin, path).0, 200, "{path}");
            }
        }
        scrapes += 1;
        // pace: of the scraper that is measured
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    scrapes
}

fn own_thread() -> String {
    let thread = fs::read_link("/proc/thread-self").unwrap();
    thread.file_name().unwrap().to_string_lossy().into_owned()
}

/// Threads that a thread makes later begin on its core.
fn move_to(core: usize, thread: &str) {
    if env::var("CAUSEWAY_CORES").is_ok_and(|cores| cores == "shared") {
        return;
    }
    sh(&format!("taskset -cp {core} {thread}"));
}

fn part(process: &Process) {
    for task in fs::read_dir(format!("/proc/{}/task", process.id())).unwrap() {
        let path = task.unwrap().path();
        let name = fs::read_to_string(path.join("comm")).unwrap();
        let core = usize::from(name.starts_with("admin"));
        move_to(core, &path.file_name().unwrap().to_string_lossy());
    }
}

fn scraping(kind: Kind) {
    move_to(0, &own_thread());
    let site = Site::new(kind, Service::echo().address, false);
    let running = site.start();
    let Running { proxy_admin, connector_admin, channel, .. } = &running;
    let admins = [*proxy_admin, *connector_admin];
    part(&running.proxy);
    part(&running.connector);
    let mut stream = bounded(TcpStream::connect(channel).unwrap());
    ping_pong(&mut stream);
    let mut changes = Vec::new();
    for pair in 0..pairs() {
        // In turns, and each first as often: what drifts is then in both.
        let mut p99 = [0.0; 2];
        for with in [pair % 2, (pair + 1) % 2] {
            let stop = AtomicBool::new(with == 0);
            let (histogram, scrapes) = thread::scope(|scope| {
                let scraper = scope.spawn(|| scrape(admins, &stop));
                let histogram = ping_pong(&mut stream);
                stop.store(true, Relaxed);
                (histogram, scraper.join().unwrap())
            });
            p99[with] = histogram.value_at_quantile(0.99) as f64 / 1e3;
            println!(
                "{kind}: {scrapes} scrapes, {} round trips, p99 {:.1} µs",
                histogram.len(),
                p99[with]
            );
        }
        changes.push((p99[1] / p99[0] - 1.0) * 100.0);
    }
    changes.sort_unstable_by(f64::total_cmp);
    let count = changes.len();
    let (least, most) = (changes[0], changes[count - 1]);
    let median = (changes[(count - 1) / 2] + changes[count / 2]) / 2.0;
    println!(
        "{kind}: scraping everything every 100 ms changes p99 by {median:+.1} % (median of {count} \
         pairs, {least:+.1} to {most:+.1})"
    );
}

//! Another subaccount's stream on a tunnel of its own, pinging while somebody else attacks.

use std::{
    fs,
    panic::resume_unwind,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use causeway::engine::Kind;

use super::{World, http2::RawTunnel};

/// No ping of a neighbour takes longer, on a slow and busy machine with an attack going on.
const PING_DEADLINE: Duration = Duration::from_secs(5);
/// Pings without an attack, to compare with.
const CALM: Duration = Duration::from_millis(500);

/// Subaccount `b` with its service `echo`, and how long its pings took so far.
pub struct Neighbour {
    tunnel: Option<RawTunnel>,
    /// The p99 of each time alone, and of each beside trouble: both in turn, because a machine's
    /// speed drifts.
    alone: Vec<Duration>,
    beside: Vec<Duration>,
}

impl Neighbour {
    /// Pings while nobody attacks.
    pub fn alone(world: &World) -> Self {
        let mut tunnel = RawTunnel::open(world, &world.client("b", None));
        tunnel.open_stream(1, "echo");
        let mut neighbour = Self { tunnel: Some(tunnel), alone: vec![], beside: vec![] };
        neighbour.alone_again();
        neighbour
    }

    /// Pings once more while nobody attacks.
    pub fn alone_again(&mut self) {
        let tunnel = self.tunnel.as_mut().expect("it is back after each trouble");
        self.alone.push(p99(&pings(tunnel, |started| started.elapsed() < CALM)));
    }

    /// Runs `trouble` while the neighbour pings. Every ping must be answered in time.
    pub fn beside<T: Send>(&mut self, trouble: impl FnOnce() -> T + Send) -> T {
        let mut tunnel = self.tunnel.take().expect("it is back after each trouble");
        let over = Arc::new(AtomicBool::new(false));
        let stop = over.clone();
        let pinging = thread::spawn(move || {
            let took = pings(&mut tunnel, |_| !stop.load(Relaxed));
            // The tunnel has outlived the trouble.
            tunnel.ping(1, b"afterwards");
            (tunnel, took)
        });
        // The pings are stopped whatever the trouble comes to, or the test would wait for ever.
        let result = thread::scope(|scope| {
            let trouble = scope.spawn(|| {
                give_way();
                trouble()
            });
            trouble.join()
        });
        over.store(true, Relaxed);
        let (tunnel, took) = pinging.join().expect("the neighbour is served");
        self.tunnel = Some(tunnel);
        self.beside.push(p99(&took));
        result.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// Prints what the pings took: a busy machine's times prove nothing.
    pub fn report(&self, what: &str, kind: Kind) {
        let pairs = self.alone.iter().zip(&self.beside);
        let mut ratios: Vec<_> =
            pairs.map(|(alone, beside)| beside.as_secs_f64() / alone.as_secs_f64()).collect();
        ratios.sort_unstable_by(f64::total_cmp);
        println!(
            "{what} on {kind}: the neighbour's ping p99 {} µs alone, {} µs beside it, \
             {:.1}x ({:.1} to {:.1}, {} rounds)",
            median(&self.alone).as_micros(),
            median(&self.beside).as_micros(),
            ratios[ratios.len() / 2],
            ratios[0],
            ratios[ratios.len() - 1],
            ratios.len(),
        );
    }
}

fn median(times: &[Duration]) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2]
}

/// Runs `attack` beside a neighbour and prints what that did to its pings.
pub fn beside_a_neighbour<T: Send>(
    (what, kind): (&str, Kind),
    world: &World,
    attack: impl FnOnce() -> T + Send,
) -> T {
    let mut neighbour = Neighbour::alone(world);
    let result = neighbour.beside(attack);
    neighbour.report(what, kind);
    result
}

/// An attacker has a machine of its own; here it shares one with those it attacks. With the lowest
/// priority its thread takes from them only what they do for it. Where that cannot be had, the
/// figures are worse and nothing else is different.
pub fn give_way() {
    let thread = fs::read_link("/proc/thread-self").unwrap();
    let id = thread.file_name().unwrap();
    let _ = Command::new("renice").args(["-n", "19", "-p"]).arg(id).output();
}

fn pings(tunnel: &mut RawTunnel, go_on: impl Fn(Instant) -> bool) -> Vec<Duration> {
    let (start, mut took) = (Instant::now(), Vec::new());
    while took.is_empty() || go_on(start) {
        let sent = Instant::now();
        tunnel.ping(1, &[took.len() as u8; 64]);
        took.push(sent.elapsed());
        assert!(sent.elapsed() < PING_DEADLINE, "a ping took {:?}", sent.elapsed());
        thread::sleep(Duration::from_micros(500)); // pace: not a load of its own
    }
    took.sort_unstable();
    took
}

fn p99(sorted: &[Duration]) -> Duration {
    sorted[(sorted.len() - 1) * 99 / 100]
}

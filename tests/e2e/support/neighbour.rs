//! Another subaccount's stream on a tunnel of its own, pinging while somebody else attacks.

use std::{
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
const CALM: Duration = Duration::from_millis(150);

/// Runs `attack` while subaccount `b` pings its service `echo`. Every ping must be answered in
/// time; what the times were is printed.
pub fn beside_a_neighbour<T>(
    (what, kind): (&str, Kind),
    world: &World,
    attack: impl FnOnce() -> T,
) -> T {
    let mut tunnel = RawTunnel::open(world, &world.client("b", None));
    tunnel.open_stream(1, "echo");
    let calm = pings(&mut tunnel, |started| started.elapsed() < CALM);
    let over = Arc::new(AtomicBool::new(false));
    let stop = over.clone();
    let pinging = thread::spawn(move || {
        let attacked = pings(&mut tunnel, |_| !stop.load(Relaxed));
        // The tunnel has outlived the attack.
        tunnel.ping(1, b"afterwards");
        attacked
    });
    // The pings are stopped whatever the attack comes to, or the test would wait for ever.
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(attack));
    over.store(true, Relaxed);
    let attacked = pinging.join().expect("the neighbour is served");
    let (before, during) = (p99(&calm), p99(&attacked));
    println!(
        "{what} on {kind}: the neighbour's ping p99 {} µs before, {} µs during, ratio {:.1} ({} \
         and {} pings)",
        before.as_micros(),
        during.as_micros(),
        during.as_secs_f64() / before.as_secs_f64(),
        calm.len(),
        attacked.len()
    );
    result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
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

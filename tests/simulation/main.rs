//! Deterministic simulation of the protocol: thousands of short lives of two HTTP/2 sessions,
//! and of the window that follows a link.
//!
//! `CAUSEWAY_SEEDS=n` runs n of them, `CAUSEWAY_SEED=s` only the one of that seed.

// Helpers of tests may unwrap like the tests themselves.
#![allow(clippy::unwrap_used)]

mod link;
mod model;

use std::time::Duration;

use link::{Link, throughput};
use model::{Choices, Tally, run, shrink_after_a_third};

/// Runs unless told otherwise.
const SEEDS: u64 = 2_000;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|value| value.parse().unwrap())
}

/// Says which seed was being run when something below panics.
struct Witness(u64);

impl Drop for Witness {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("run it again with CAUSEWAY_SEED={}", self.0);
        }
    }
}

fn run_seed(seed: u64) -> Tally {
    let _witness = Witness(seed);
    run(Choices::seeded(seed)).unwrap_or_else(|problem| panic!("seed {seed}: {problem}"))
}

#[test]
fn streams_keep_their_bytes_and_credit_through_anything_that_happens() {
    if let Some(seed) = number("CAUSEWAY_SEED") {
        println!("{:#?}", run_seed(seed));
        return;
    }
    let mut all = Tally::default();
    for seed in 0..number("CAUSEWAY_SEEDS").unwrap_or(SEEDS) {
        all.add(&run_seed(seed));
    }
    println!("{all:#?}");
    if all.runs >= SEEDS {
        // Whatever the model claims, it has met.
        let met = [all.clean, all.aborted, all.lost, all.refused, all.retryable, all.stalls];
        assert!(met.iter().all(|count| *count >= 100), "{all:?}");
        let met = [all.cuts, all.drains, all.windows, all.pongs, all.whole_windows];
        assert!(met.iter().all(|count| *count >= 100), "{all:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in [1, 2, 3, 77] {
        let (first, second) = (run_seed(seed), run_seed(seed));
        assert_eq!(first.digest, second.digest, "seed {seed}");
        assert_eq!(first.ticks, second.ticks, "seed {seed}");
    }
}

#[test]
fn a_script_decides_like_a_seed() {
    let script: Vec<u8> = (0..200).map(|byte: u8| byte.wrapping_mul(37)).collect();
    let digest = |script: &[u8]| run(Choices::scripted(script)).unwrap().digest;
    assert_eq!(digest(&script), digest(&script));
    assert_ne!(digest(&script), digest(&script[..100]));
}

/// Why a tunnel's windows only grow. When this fails because nothing hangs any more, the session
/// below has learnt to give credit when windows shrink, and ours may.
#[test]
fn a_stream_window_that_shrinks_can_hang_its_stream() {
    for seed in 0..50 {
        let hangs = shrink_after_a_third(seed, false).unwrap_err();
        assert!(hangs.contains("hangs before all streams end"), "seed {seed}: {hangs}");
        shrink_after_a_third(seed, true).unwrap_or_else(|problem| panic!("seed {seed}: {problem}"));
    }
}

#[test]
fn a_link_is_filled_without_any_setting() {
    for (megabits, milliseconds) in [(1_000, 100), (1_000, 20), (100, 100), (100, 5), (10_000, 10)]
    {
        for streams in [1, 8] {
            let link = Link {
                bits_per_second: megabits * 1_000_000,
                round_trip: Duration::from_millis(milliseconds),
                streams,
            };
            let seconds = throughput(link, 6);
            println!("{megabits} Mb/s, {milliseconds} ms, {streams} streams: {seconds:?}");
            let filled = |second: &u64| *second * 100 >= megabits * 90;
            assert!(seconds[2..].iter().all(filled), "{seconds:?}");
        }
    }
}

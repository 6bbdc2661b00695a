//! The fuzz targets on their seeds and on mutations of them: what a fuzzer would do first, on the
//! stable compiler and always the same.

// Helpers of tests may unwrap like the tests themselves.
#![allow(clippy::unwrap_used)]

#[path = "../fuzz/src/lib.rs"]
#[allow(unreachable_pub)]
mod fuzz;

use std::{fs, path::Path};

/// Mutations of each target's seeds, unless told otherwise.
const MUTATIONS: u64 = 4_000;
/// Of those, what a whole simulation each leaves time for.
const SIMULATIONS: u64 = 400;

/// Bytes that mean something somewhere.
const WORDS: [&[u8]; 20] = [
    b"\r\n",
    b"\r\n\r\n",
    b"\0",
    b": ",
    b"CONNECT ",
    b"HTTP/1.1",
    b"Content-Length: 0\r\n",
    b"[::1]:1",
    b"&a ",
    b"*a",
    b"---\n",
    b"{",
    b"[[",
    b"\"\"\"",
    b" = ",
    b"\xff\xff\xff\xff",
    b"\x80\0\0\0",
    b"\0\0\x04\x08\0\0\0\0\0\x7f\xff\xff\xff",
    b"\0\0\0\x01\x05\0\0\0\x01",
    b"\0\0\x04\x03\0\0\0\0\x01",
];

fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut seeds: Vec<_> = fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    seeds.sort();
    assert!(seeds.len() >= 3, "{target} has {} seeds", seeds.len());
    seeds
}

/// Says what was being tried when a target panics, and keeps it.
struct Witness<'i>(&'static str, String, &'i [u8]);

impl Drop for Witness<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let file = std::env::temp_dir().join(format!("causeway-{}-failed", self.0));
            let kept = fs::write(&file, self.2).map(|()| file.display().to_string());
            eprintln!("{}: {} fails; kept in {kept:?}", self.0, self.1);
        }
    }
}

/// One to eight changes somewhere.
fn mutate(seeds: &[(String, Vec<u8>)], random: &mut fastrand::Rng) -> (String, Vec<u8>) {
    let (name, seed) = &seeds[random.usize(..seeds.len())];
    let mut bytes = seed.clone();
    for _ in 0..random.usize(1..=8) {
        let at = random.usize(..=bytes.len());
        let end = bytes.len().min(at + random.usize(..16));
        match random.u8(..7) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => bytes.insert(at, random.u8(..)),
            3 => drop(bytes.splice(at..at, WORDS[random.usize(..WORDS.len())].iter().copied())),
            4 => {
                let again = bytes[at..end].repeat(random.usize(1..20));
                drop(bytes.splice(at..at, again));
            }
            5 => {
                let (_, other) = &seeds[random.usize(..seeds.len())];
                let from = random.usize(..=other.len());
                drop(bytes.splice(at..end, other[from..].iter().copied()));
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.u8(..8);
                }
            }
        }
        bytes.truncate(32 * 1024);
    }
    (name.clone(), bytes)
}

fn run(target: &'static str, mutations: u64) {
    let (_, try_it) = fuzz::TARGETS.iter().find(|(name, _)| *name == target).unwrap();
    let seeds = seeds(target);
    for (name, seed) in &seeds {
        let _witness = Witness(target, name.clone(), seed);
        try_it(seed);
    }
    let asked = std::env::var("CAUSEWAY_MUTATIONS").map(|count| count.parse().unwrap());
    let mut random = fastrand::Rng::with_seed(1);
    for number in 0..asked.unwrap_or(mutations) {
        let (name, bytes) = mutate(&seeds, &mut random);
        let _witness = Witness(target, format!("mutation {number} (of {name})"), &bytes);
        try_it(&bytes);
    }
}

#[test]
fn connect_heads_are_judged_whatever_they_are() {
    run("connect_head", MUTATIONS);
}

#[test]
fn an_http2_session_survives_its_peer() {
    run("http2_session", MUTATIONS);
}

#[test]
fn any_order_of_stream_operations_keeps_bytes_and_credit() {
    run("stream_operations", SIMULATIONS);
}

#[test]
fn any_mapping_file_becomes_mappings_or_problems() {
    run("mapping_yaml", MUTATIONS);
}

#[test]
fn any_configuration_is_read_or_refused_with_a_place() {
    run("config", MUTATIONS);
}

#[test]
fn the_guard_finds_the_same_in_pieces_of_any_size() {
    run("guard", MUTATIONS);
}

#[test]
fn every_corpus_belongs_to_a_target() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for entry in fs::read_dir(corpora).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(fuzz::TARGETS.iter().any(|(target, _)| *target == name), "{name}");
    }
}

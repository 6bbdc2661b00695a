//! A stream that keeps going: verified data to an echo service and back until the test ends it.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{DEADLINE, wait_until};

const BLOCK_BYTES: usize = 4096;

/// A running stream.
pub struct Flow {
    stop: Arc<AtomicBool>,
    rounds: Arc<AtomicU64>,
    thread: JoinHandle<io::Result<()>>,
}

impl Flow {
    /// Connects and returns once the first block has come back.
    pub fn start(address: SocketAddr) -> Self {
        let (stop, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, done) = (stop.clone(), rounds.clone());
        let thread = thread::spawn(move || run(address, &stopped, &done));
        let flow = Self { stop, rounds, thread };
        wait_until("the first block came back", DEADLINE, || flow.rounds() > 0 || flow.is_over());
        assert!(!flow.is_over(), "the stream ended: {:?}", flow.thread.join());
        flow
    }

    /// Blocks that came back unchanged.
    pub fn rounds(&self) -> u64 {
        self.rounds.load(Relaxed)
    }

    pub fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits until data has moved that was sent after this call.
    pub fn assert_goes_on(&self) {
        let before = self.rounds();
        wait_until("the stream goes on", DEADLINE, || {
            self.is_over() || self.rounds() >= before + 2
        });
        assert!(!self.is_over(), "the stream ended after {before} rounds");
    }

    /// Ends the stream in the proper way and says how many blocks went round.
    pub fn finish(self) -> u64 {
        self.stop.store(true, Relaxed);
        self.thread.join().unwrap().unwrap();
        self.rounds.load(Relaxed)
    }

    /// Waits until the stream breaks; says how long that took and what the client saw.
    pub fn broken_within(self, within: Duration) -> (Duration, io::Error) {
        let start = Instant::now();
        wait_until("the stream breaks", within, || self.is_over());
        let took = start.elapsed();
        let error = self.thread.join().unwrap().expect_err("an abort must not look like an end");
        (took, error)
    }
}

fn run(address: SocketAddr, stop: &AtomicBool, rounds: &AtomicU64) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_nodelay(true)?;
    let (mut sent, mut seen) = (vec![0_u8; BLOCK_BYTES], vec![0_u8; BLOCK_BYTES]);
    for round in 0_u64.. {
        if stop.load(Relaxed) {
            break;
        }
        for (place, byte) in sent.iter_mut().enumerate() {
            *byte = (round.wrapping_mul(31).wrapping_add(place as u64 * 7) % 251) as u8;
        }
        stream.write_all(&sent)?;
        stream.read_exact(&mut seen)?;
        assert!(sent == seen, "round {round} came back changed");
        rounds.fetch_add(1, Relaxed);
        thread::sleep(Duration::from_millis(2)); // pace: many streams share two cores
    }
    stream.shutdown(Shutdown::Write)?;
    match stream.read(&mut seen)? {
        0 => Ok(()),
        more => Err(io::Error::other(format!("{more} bytes nobody sent"))),
    }
}

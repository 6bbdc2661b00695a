//! A plain TCP relay between a connector and its proxy: it can stop letting connections through,
//! and it reads in the proxy's ServerHello whether a TLS session was resumed.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
};

/// A running relay.
pub struct Relay {
    pub address: SocketAddr,
    state: Arc<State>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct State {
    closed: AtomicBool,
    full: AtomicUsize,
    resumed: AtomicUsize,
}

impl Relay {
    /// Lets everything through to `target`.
    pub fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let shared = state.clone();
        let accepting = thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if shared.closed.load(Relaxed) {
                    return;
                }
                let Ok(far) = TcpStream::connect(target) else { continue };
                let seen = shared.clone();
                join(near, far, move |first| seen.note(first));
            }
        });
        Self { address, state, accepting: Some(accepting) }
    }

    /// From now on nobody gets through any more; what is open goes on.
    pub fn close_the_door(&mut self) {
        self.state.closed.store(true, Relaxed);
        let _wake = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            accepting.join().unwrap();
        }
    }

    /// Handshakes seen: full, resumed.
    pub fn handshakes(&self) -> (usize, usize) {
        (self.state.full.load(Relaxed), self.state.resumed.load(Relaxed))
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.close_the_door();
    }
}

impl State {
    fn note(&self, first: &[u8]) {
        let counter = if is_resumption(first) { &self.resumed } else { &self.full };
        counter.fetch_add(1, Relaxed);
    }
}

/// Copies both ways on threads of its own; `first` is shown the first bytes that `far` sends.
pub fn join(near: TcpStream, far: TcpStream, first: impl FnOnce(&[u8]) + Send + 'static) {
    let up = (near.try_clone().unwrap(), far.try_clone().unwrap());
    thread::spawn(move || copy(up.0, up.1, |_| ()));
    thread::spawn(move || copy(far, near, first));
}

fn copy(mut from: TcpStream, mut to: TcpStream, first: impl FnOnce(&[u8])) {
    let mut first = Some(first);
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut bytes) {
        if let Some(first) = first.take() {
            first(&bytes[..read]);
        }
        if to.write_all(&bytes[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

/// Whether a server's first flight begins with a ServerHello that accepts a pre-shared key
/// (RFC 8446 §4.1.3, §4.2.11), which is what resumption is in TLS 1.3.
fn is_resumption(flight: &[u8]) -> bool {
    const RECORD_AND_HANDSHAKE_HEADERS: usize = 5 + 4;
    const VERSION_AND_RANDOM: usize = 2 + 32;
    const PRE_SHARED_KEY: u16 = 41;
    let number = |at: usize| u16::from_be_bytes([flight[at], flight[at + 1]]);
    assert_eq!((flight[0], flight[5]), (22, 2), "not a ServerHello");
    let session_id = RECORD_AND_HANDSHAKE_HEADERS + VERSION_AND_RANDOM;
    let extensions = session_id + 1 + usize::from(flight[session_id]) + 2 + 1;
    let end = extensions + 2 + usize::from(number(extensions));
    let mut at = extensions + 2;
    while at < end {
        if number(at) == PRE_SHARED_KEY {
            return true;
        }
        at += 4 + usize::from(number(at + 2));
    }
    false
}

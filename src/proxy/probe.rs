//! Whether tunnels open: now and then one of our own, through the listener, TLS and a worker's
//! answer, as a connector's would. Only asked for, never by itself, so that a proxy nobody
//! watches carries nothing but its tenants' bytes.

use std::{
    io::{self, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use crate::{
    limits::{PROBE_FRESH, PROBE_TIMEOUT, RECORD_PLAIN_BYTES_MAX, RECORD_WIRE_BYTES_MAX},
    telemetry::Openings,
    tls::{ClientTls, Session, TlsError, sealed_len},
};

/// Someone who waits for a look to be over.
type Waiting = oneshot::Sender<()>;

/// The thread that opens tunnels to ourselves; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Probe {
    questions: mpsc::Sender<Waiting>,
    problem: Arc<Mutex<Option<String>>>,
}

impl Probe {
    /// Prepares looks at the listener on `address`, asking for `server_name`; how they end is
    /// noted beside how other tunnels open.
    ///
    /// # Errors
    /// No thread can be had, or no TLS.
    pub(super) fn start(
        address: SocketAddr,
        server_name: &str,
        openings: Arc<Openings>,
    ) -> io::Result<Self> {
        let tls = ClientTls::of_ourselves().map_err(io::Error::other)?;
        let path = Path { address: reachable(address), server_name: server_name.to_owned(), tls };
        let problem = Arc::new(Mutex::new(None));
        let (questions, asked) = mpsc::channel::<Waiting>();
        let found = problem.clone();
        let body = move || look_when_asked(&path, &asked, &found, &openings);
        thread::Builder::new().name("tunnel-probe".to_owned()).spawn(body)?;
        Ok(Self { questions, problem })
    }

    /// Asks for a look not older than [`PROBE_FRESH`]; the receiver hears when it is over.
    pub(super) fn look(&self) -> oneshot::Receiver<()> {
        let (waiting, over) = oneshot::channel();
        // Without its thread the receiver hears that at once.
        let _ = self.questions.send(waiting);
        over
    }

    /// Why the last look went wrong; nothing as well when there was none yet.
    pub(super) fn problem(&self) -> Option<String> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn look_when_asked(
    path: &Path,
    asked: &mpsc::Receiver<Waiting>,
    problem: &Mutex<Option<String>>,
    openings: &Openings,
) {
    let mut last: Option<Instant> = None;
    while let Ok(first) = asked.recv() {
        if last.is_none_or(|last| last.elapsed() > PROBE_FRESH) {
            let found = path.walk().err().map(|error| {
                format!("a tunnel to our own listener at {} does not open: {error}", path.address)
            });
            openings.note(found.is_none());
            *problem.lock().unwrap_or_else(PoisonError::into_inner) = found;
            last = Some(Instant::now());
        }
        for waiting in std::iter::once(first).chain(asked.try_iter()) {
            // Who no longer waits does not mind.
            let _ = waiting.send(());
        }
    }
}

/// Where a listener is reached from this machine.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// Whether a peer is on this machine: then it may ask how we are without a certificate. It could
/// see as much from the process table.
pub(super) fn is_neighbour(peer: IpAddr, listen: IpAddr) -> bool {
    peer.to_canonical().is_loopback() || peer.to_canonical() == listen.to_canonical()
}

/// The way of one look.
struct Path {
    address: SocketAddr,
    server_name: String,
    tls: ClientTls,
}

impl Path {
    /// Goes all of it: connects, shakes hands, asks, hears the answer.
    fn walk(&self) -> Result<(), WalkError> {
        let until = Instant::now() + PROBE_TIMEOUT;
        let socket = TcpStream::connect_timeout(&self.address, PROBE_TIMEOUT)?;
        let session = self.tls.connect(&self.server_name)?;
        let mut walk = Walk { socket, session, until, incoming: Vec::new(), outgoing: Vec::new() };
        walk.shake_hands()?;
        walk.send(&format!("GET /healthcheck HTTP/1.1\r\nHost: {}\r\n\r\n", self.server_name))?;
        let answer = walk.answer()?;
        walk.session.close_notify(&mut walk.outgoing);
        walk.flush()?;
        if answer.starts_with(HEALTHY) {
            return Ok(());
        }
        let line = String::from_utf8_lossy(&answer);
        Err(WalkError::Answer(line.lines().next().unwrap_or_default().to_owned()))
    }
}

const HEALTHY: &[u8] = b"HTTP/1.1 200 ";

/// Where a look got stuck.
#[derive(Debug, thiserror::Error)]
enum WalkError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Tls(#[from] TlsError),
    #[error("it answers {0:?}")]
    Answer(String),
}

/// A look under way.
struct Walk {
    socket: TcpStream,
    session: Box<dyn Session>,
    until: Instant,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
}

impl Walk {
    fn shake_hands(&mut self) -> Result<(), WalkError> {
        loop {
            let step = self.session.handshake(&mut self.incoming, &mut self.outgoing);
            self.incoming.drain(..step.consumed);
            self.flush()?;
            if step.state? {
                return Ok(());
            }
            if step.consumed == 0 {
                self.receive()?;
            }
        }
    }

    fn send(&mut self, text: &str) -> Result<(), WalkError> {
        let mut sealed = vec![0; sealed_len(text.len())];
        let length = self.session.seal(text.as_bytes(), &mut sealed)?;
        self.outgoing.extend_from_slice(&sealed[..length]);
        self.flush()
    }

    /// What comes back, as far as its beginning tells how we are.
    fn answer(&mut self) -> Result<Vec<u8>, WalkError> {
        let mut answer = Vec::new();
        let mut plain = vec![0; RECORD_PLAIN_BYTES_MAX];
        loop {
            let opened = self.session.open(&mut self.incoming, &mut plain, &mut self.outgoing)?;
            self.incoming.drain(..opened.consumed);
            answer.extend_from_slice(&plain[..opened.produced]);
            if opened.closed || answer.len() >= HEALTHY.len() {
                return Ok(answer);
            }
            if opened.consumed == 0 {
                self.receive()?;
            }
        }
    }

    fn receive(&mut self) -> Result<(), WalkError> {
        let mut bytes = [0; RECORD_WIRE_BYTES_MAX];
        self.socket.set_read_timeout(Some(self.left()?))?;
        match self.socket.read(&mut bytes)? {
            0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            length => {
                self.incoming.extend_from_slice(&bytes[..length]);
                Ok(())
            }
        }
    }

    fn flush(&mut self) -> Result<(), WalkError> {
        if !self.outgoing.is_empty() {
            self.socket.set_write_timeout(Some(self.left()?))?;
            self.socket.write_all(&self.outgoing)?;
            self.outgoing.clear();
        }
        Ok(())
    }

    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn path(address: SocketAddr) -> Path {
        Path {
            address,
            server_name: "localhost".to_owned(),
            tls: ClientTls::of_ourselves().unwrap(),
        }
    }

    #[test]
    fn a_listener_that_never_answers_is_given_up_in_time() {
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let started = Instant::now();
        let error = path(silent.local_addr().unwrap()).walk().unwrap_err();
        assert!(matches!(error, WalkError::Io(_)), "{error}");
        assert!(started.elapsed() < PROBE_TIMEOUT + Duration::from_secs(5));
    }

    #[test]
    fn what_is_not_tls_is_an_error() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
            let _ = stream.read(&mut [0; 4096]);
        });
        let error = path(address).walk().unwrap_err();
        assert!(matches!(error, WalkError::Tls(_) | WalkError::Io(_)), "{error}");
        server.join().unwrap();
    }

    #[test]
    fn a_listener_everywhere_is_reached_by_loopback() {
        for (listen, reached) in [
            ("0.0.0.0:8042", "127.0.0.1:8042"),
            ("[::]:8042", "[::1]:8042"),
            ("10.1.2.3:8042", "10.1.2.3:8042"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()), reached.parse().unwrap());
        }
    }

    #[test]
    fn only_this_machine_is_a_neighbour() {
        let is =
            |peer: &str, listen: &str| is_neighbour(peer.parse().unwrap(), listen.parse().unwrap());
        assert!(is("127.0.0.1", "0.0.0.0"));
        assert!(is("::ffff:127.0.0.1", "::"));
        assert!(is("::1", "::"));
        assert!(is("10.1.2.3", "10.1.2.3"));
        assert!(!is("10.1.2.4", "10.1.2.3"));
        assert!(!is("10.1.2.3", "0.0.0.0"));
    }
}

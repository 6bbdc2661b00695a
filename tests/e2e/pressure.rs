//! Who does not read stops who sends, and nobody else; no memory grows meanwhile.

use std::{
    io::{ErrorKind, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use causeway::engine::Kind;

use crate::support::{
    DEADLINE, End, Pattern, Service, Suite, World, bounded, buffer_bytes, connect, read_to_end,
    read_up_to, wait_ended, write_up_to,
};

pub fn add(suite: &mut Suite) {
    suite.all("a_client_that_does_not_read_stops_its_service_alone", stalled_download);
    suite.all("a_service_that_does_not_read_stops_its_client_alone", stalled_upload);
}

const PATTERN: Pattern = Pattern(51);
/// What kernels may hold on the way: six socket buffers that tune themselves up to 4 to 6 MiB (on
/// machines with larger ones the test only needs this much more), and a few of our buffers.
const IN_FLIGHT_MAX: u64 = 6 * 6 * 1024 * 1024 + 4 * 264 * 1024;
/// Two large buffers for each direction of the stream that is stuck, and some for the others.
const BUFFERS_MAX: u64 = 4 * 264 * 1024 + 16 * 4 * 20 * 1024;
/// A sender that got rid of nothing for this long is stopped.
const STILL: Duration = Duration::from_secs(1);

/// Sends the pattern until told to stop, in pieces, however long the peer does not read.
struct Sender {
    sent: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Sender {
    fn start(mut stream: TcpStream) -> Self {
        let (sent, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, stopping) = (sent.clone(), stop.clone());
        let thread = thread::spawn(move || {
            stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
            let mut bytes = vec![0; 64 * 1024];
            let mut at = 0;
            while !stopping.load(Relaxed) {
                PATTERN.fill(at, &mut bytes);
                match stream.write(&bytes) {
                    Ok(taken) => at += taken as u64,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                    Err(error) => panic!("after {at} bytes: {error}"),
                }
                count.store(at, Relaxed);
            }
            stream.shutdown(Shutdown::Write).unwrap();
        });
        Self { sent, stop, thread }
    }

    /// How much had been sent when it came to a standstill.
    fn stopped_at(&self) -> u64 {
        let start = Instant::now();
        let mut last = (self.sent.load(Relaxed), Instant::now());
        while last.1.elapsed() < STILL {
            assert!(start.elapsed() < DEADLINE, "{} bytes and no end", last.0);
            thread::sleep(Duration::from_millis(20)); // pace: of the looks
            let sent = self.sent.load(Relaxed);
            if sent != last.0 {
                last = (sent, Instant::now());
            }
        }
        last.0
    }

    /// Ends the stream and says how much was sent in all.
    fn finish(self) -> u64 {
        self.stop.store(true, Relaxed);
        self.thread.join().unwrap();
        self.sent.load(Relaxed)
    }
}

/// A world with a service that hands its connections over and an echo service.
struct Stalled {
    world: World,
    connector: causeway::connector::RunningConnector,
    channels: Vec<SocketAddr>,
    accepted: mpsc::Receiver<TcpStream>,
    _services: [Service; 2],
}

fn stalled(kind: Kind) -> Stalled {
    let (hand, accepted) = mpsc::channel();
    let service = Service::start(move |stream| {
        // A test that is over no longer listens.
        let _ = hand.send(bounded(stream));
    });
    let echo = Service::echo();
    let world = World::with_services(kind, &[("s", service.address), ("echo", echo.address)]);
    let (connector, channels) = world.connector(&["s", "echo"]);
    Stalled { world, connector, channels, accepted, _services: [service, echo] }
}

impl Stalled {
    /// Eight streams at a time, so that each worker has some, go on as if nothing was stuck.
    fn others_go_on(&self) {
        let mut others: Vec<TcpStream> = (0..8).map(|_| connect(self.channels[1])).collect();
        for round in 0..20 {
            let from = round * 10_000;
            for other in &mut others {
                write_up_to(other, PATTERN, from, from + 10_000);
            }
            for other in &mut others {
                read_up_to(other, PATTERN, from, from + 10_000);
            }
        }
    }

    /// What waits is in the kernel's buffers; ours are those of one chunk each way.
    fn assert_few_buffers(&self) {
        let sides = [self.world.proxy().crew().counters(), self.connector.crew().counters()];
        for workers in sides {
            let bytes = buffer_bytes(workers);
            assert!(bytes <= BUFFERS_MAX, "{bytes} bytes of buffers are in use");
        }
    }

    fn all_ended_cleanly(&self) {
        wait_ended(self.world.proxy().crew().counters(), &[("clean", 9)]);
        wait_ended(self.connector.crew().counters(), &[("clean", 9)]);
    }
}

fn stalled_download(kind: Kind) {
    let stalled = stalled(kind);
    let mut client = connect(stalled.channels[0]);
    let service = stalled.accepted.recv_timeout(DEADLINE).unwrap();
    let sender = Sender::start(service);
    let stopped_at = sender.stopped_at();
    println!("a service sent {stopped_at} bytes to a client that does not read, on {kind}");
    assert!((1..IN_FLIGHT_MAX).contains(&stopped_at), "{stopped_at} bytes are in flight");
    stalled.others_go_on();
    stalled.assert_few_buffers();
    assert_eq!(sender.sent.load(Relaxed), stopped_at);
    let reader = thread::spawn(move || {
        let heard = read_to_end(&mut client, PATTERN, 0);
        client.shutdown(Shutdown::Write).unwrap();
        heard
    });
    crate::support::wait_until("sending goes on", DEADLINE, || {
        sender.sent.load(Relaxed) > stopped_at + (16 << 20)
    });
    let sent = sender.finish();
    assert_eq!(reader.join().unwrap(), (sent, End::Eof));
    stalled.all_ended_cleanly();
}

fn stalled_upload(kind: Kind) {
    let stalled = stalled(kind);
    let mut client = connect(stalled.channels[0]);
    let mut service = stalled.accepted.recv_timeout(DEADLINE).unwrap();
    let sender = Sender::start(client.try_clone().unwrap());
    let stopped_at = sender.stopped_at();
    println!("a client sent {stopped_at} bytes to a service that does not read, on {kind}");
    assert!((1..IN_FLIGHT_MAX).contains(&stopped_at), "{stopped_at} bytes are in flight");
    stalled.others_go_on();
    stalled.assert_few_buffers();
    assert_eq!(sender.sent.load(Relaxed), stopped_at);
    let reader = thread::spawn(move || {
        let heard = read_to_end(&mut service, PATTERN, 0);
        service.shutdown(Shutdown::Write).unwrap();
        heard
    });
    crate::support::wait_until("sending goes on", DEADLINE, || {
        sender.sent.load(Relaxed) > stopped_at + (16 << 20)
    });
    let sent = sender.finish();
    assert_eq!(reader.join().unwrap(), (sent, End::Eof));
    assert_eq!(read_to_end(&mut client, PATTERN, 0), (0, End::Eof));
    stalled.all_ended_cleanly();
}

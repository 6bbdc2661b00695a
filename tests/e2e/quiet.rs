//! Silence: timeouts end a stream as an abort, and without one a silent stream loses nothing.

use std::{
    net::{Shutdown, SocketAddr, TcpStream},
    sync::mpsc,
    time::Duration,
};

use causeway::{connector::RunningConnector, engine::Kind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{
    DEADLINE, End, Pattern, Service, Suite, World, bounded, buffer_bytes, connect, open_stream,
    read_to_end, read_up_to, wait_ended, wait_until, write_up_to,
};

pub fn add(suite: &mut Suite) {
    suite.all("the_proxys_idle_timeout_aborts_both_ends", |kind| idle(kind, Side::Proxy));
    suite.all("the_connectors_idle_timeout_aborts_both_ends", |kind| idle(kind, Side::Connector));
    suite.all("the_proxys_half_closed_timeout_aborts_both_ends", |kind| {
        half_closed(kind, Side::Proxy);
    });
    suite.all("the_connectors_half_closed_timeout_aborts_both_ends", |kind| {
        half_closed(kind, Side::Connector);
    });
    suite.all("traffic_puts_timeouts_off", traffic_counts);
    suite.all("a_silent_stream_without_timeout_goes_on", silence_is_harmless);
    suite.all("nothing_is_lost_when_a_silent_stream_wakes_up", waking_up);
}

const UP: Pattern = Pattern(41);
const DOWN: Pattern = Pattern(42);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Proxy,
    Connector,
}

/// A world in which one side has small timeouts.
struct Small {
    world: World,
    connector: RunningConnector,
    channel: SocketAddr,
    accepted: mpsc::Receiver<TcpStream>,
    _service: Service,
}

impl Small {
    fn new(kind: Kind, side: Side, limits: &str) -> Self {
        let (hand, accepted) = mpsc::channel();
        let service = Service::start(move |stream| {
            // A test that is over no longer listens.
            let _ = hand.send(bounded(stream));
        });
        let limits = format!("[limits]\n{limits}\n");
        let of = |wanted| if side == wanted { limits.as_str() } else { "" };
        let mut world = World::new(kind);
        world.map("a", "s", &service.address.to_string(), None);
        world.start_proxy(of(Side::Proxy));
        let files = world.client("a", None);
        let port = world.proxy_address().port();
        let (connector, channels) =
            world.connector_with("a", "", &files, port, &["s"], of(Side::Connector));
        Self { world, connector, channel: channels[0], accepted, _service: service }
    }

    /// A stream that has carried a little both ways.
    fn open(&self) -> (TcpStream, TcpStream) {
        let mut client = connect(self.channel);
        write_up_to(&mut client, UP, 0, 100);
        let mut service = self.accepted.recv_timeout(DEADLINE).unwrap();
        read_up_to(&mut service, UP, 0, 100);
        write_up_to(&mut service, DOWN, 0, 100);
        read_up_to(&mut client, DOWN, 0, 100);
        (client, service)
    }

    fn wait_ended(&self, side: Side, ending: &'static str) {
        let workers = match side {
            Side::Proxy => self.world.proxy().crew().counters(),
            Side::Connector => self.connector.crew().counters(),
        };
        wait_ended(workers, &[(ending, 1)]);
    }
}

fn idle(kind: Kind, side: Side) {
    let small = Small::new(kind, side, "idle_timeout_seconds = 1");
    let (mut client, mut service) = small.open();
    assert_eq!(read_to_end(&mut client, DOWN, 100), (100, End::Aborted));
    assert_eq!(read_to_end(&mut service, UP, 100), (100, End::Aborted));
    small.wait_ended(side, "idle_timeout");
}

fn half_closed(kind: Kind, side: Side) {
    let limits = "half_closed_timeout_seconds = 1";
    let small = Small::new(kind, side, limits);
    let (mut client, mut service) = small.open();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&mut service, UP, 100), (100, End::Eof));
    assert_eq!(read_to_end(&mut client, DOWN, 100), (100, End::Aborted));
    assert_error(&service);
    small.wait_ended(side, "half_closed_timeout");

    let small = Small::new(kind, side, limits);
    let (mut client, mut service) = small.open();
    service.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&mut client, DOWN, 100), (100, End::Eof));
    assert_eq!(read_to_end(&mut service, UP, 100), (100, End::Aborted));
    assert_error(&client);
    small.wait_ended(side, "half_closed_timeout");
}

/// The stream has read its end already, so only its error tells.
fn assert_error(stream: &TcpStream) {
    wait_until("the socket has an error", Duration::from_secs(5), || {
        stream.take_error().unwrap().is_some()
    });
}

fn traffic_counts(kind: Kind) {
    let limits = "idle_timeout_seconds = 2\nhalf_closed_timeout_seconds = 2";
    let small = Small::new(kind, Side::Proxy, limits);
    let (mut client, mut service) = small.open();
    for step in 1..8 {
        std::thread::sleep(Duration::from_millis(500)); // pace: of the client
        write_up_to(&mut client, UP, step * 100, step * 100 + 100);
        read_up_to(&mut service, UP, step * 100, step * 100 + 100);
    }
    client.shutdown(Shutdown::Write).unwrap();
    for step in 1..8 {
        std::thread::sleep(Duration::from_millis(500)); // pace: of the service
        write_up_to(&mut service, DOWN, step * 100, step * 100 + 100);
        read_up_to(&mut client, DOWN, step * 100, step * 100 + 100);
    }
    drop(service);
    assert_eq!(read_to_end(&mut client, DOWN, 800), (800, End::Eof));
    small.wait_ended(Side::Proxy, "clean");
}

fn silence_is_harmless(kind: Kind) {
    let small = Small::new(kind, Side::Proxy, "");
    let (mut client, mut service) = small.open();
    let mut tls = open_stream(&small.world, "s");
    let mut behind_tls = small.accepted.recv_timeout(DEADLINE).unwrap();
    // pace: several times what an idle stream keeps its buffers for
    std::thread::sleep(Duration::from_secs(4));
    for workers in [small.world.proxy().crew().counters(), small.connector.crew().counters()] {
        wait_until("silent streams hold no buffer", DEADLINE, || buffer_bytes(workers) == 0);
    }
    write_up_to(&mut client, UP, 100, 300_000);
    read_up_to(&mut service, UP, 100, 300_000);
    write_up_to(&mut service, DOWN, 100, 300_000);
    read_up_to(&mut client, DOWN, 100, 300_000);
    write_up_to(&mut behind_tls, DOWN, 0, 300_000);
    read_up_to(&mut tls, DOWN, 0, 300_000);
    write_up_to(&mut tls, UP, 0, 300_000);
    read_up_to(&mut behind_tls, UP, 0, 300_000);
}

/// Buffers are taken back from streams that were silent for about a second. Here each round ends
/// its silence right then, on hundreds of streams at once and from both ends.
fn waking_up(kind: Kind) {
    const STREAMS: usize = 150;
    const ROUNDS: u64 = 5;
    let service = Service::echo();
    let world = World::with_services(kind, &[("echo", service.address)]);
    let (connector, channels) = world.connector(&["echo"]);
    let seed = fastrand::u64(..);
    println!("seed {seed:#x}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let channel = channels[0];
    runtime.block_on(async {
        let mut streams = tokio::task::JoinSet::new();
        for number in 0..STREAMS as u64 {
            streams.spawn(async move {
                let pattern = Pattern(seed ^ number);
                let mut random = fastrand::Rng::with_seed(pattern.0);
                let mut stream = tokio::net::TcpStream::connect(channel).await.unwrap();
                for round in 0..ROUNDS {
                    let mut bytes = pattern.bytes(random.usize(1..40_000));
                    stream.write_all(&bytes).await.unwrap();
                    let heard = tokio::time::timeout(DEADLINE, stream.read_exact(&mut bytes)).await;
                    heard
                        .unwrap_or_else(|_| panic!("stream {number}, round {round}: lost"))
                        .unwrap();
                    pattern.check(0, &bytes);
                    let silence = Duration::from_millis(random.u64(950..1350));
                    tokio::time::sleep(silence).await; // pace: the silence that is tested
                }
                stream.shutdown().await.unwrap();
                assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0, "a clean end");
            });
        }
        while let Some(stream) = streams.join_next().await {
            stream.unwrap();
        }
    });
    wait_ended(world.proxy().crew().counters(), &[("clean", STREAMS as u64)]);
    wait_ended(connector.crew().counters(), &[("clean", STREAMS as u64)]);
}

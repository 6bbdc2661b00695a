//! Stopping: streams in flight get their time, new ones are refused, the rest is aborted aloud.

use std::{
    net::{Shutdown, SocketAddr, TcpStream},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use causeway::{connector::RunningConnector, engine::Kind, telemetry::Count};

use crate::support::{
    DEADLINE, End, Pattern, Service, Suite, World, bounded, connect, count,
    http2::{ACK, DATA, END_STREAM, Frame, GOAWAY, PING, RawTunnel, frame, number},
    mode, read_to_end, read_up_to, reset, wait_ended, wait_until, write_up_to,
};

pub fn add(suite: &mut Suite) {
    suite.all("a_draining_proxy_lets_streams_finish_and_takes_no_new_ones", proxy_drains);
    suite.all("a_proxy_aborts_what_is_open_at_its_drain_deadline", proxy_deadline);
    suite.all("a_draining_connector_lets_streams_finish_and_takes_no_new_ones", connector_drains);
    suite.all("a_connector_aborts_what_is_open_at_its_drain_deadline", connector_deadline);
    suite.all("a_proxy_without_streams_stops_at_once", nothing_to_drain);
    suite.both("a_stream_asked_for_between_the_two_goaways_is_served", between_goaways);
}

const UP: Pattern = Pattern(61);
const DOWN: Pattern = Pattern(62);
/// Longer than any of these tests may take: a drain that waits for it has missed its end.
const LONG: Duration = Duration::from_secs(60);

struct Site {
    world: World,
    connector: RunningConnector,
    channel: SocketAddr,
    accepted: mpsc::Receiver<TcpStream>,
    _service: Service,
}

fn site(kind: Kind) -> Site {
    let (hand, accepted) = mpsc::channel();
    let service = Service::start(move |stream| {
        // A test that is over no longer listens.
        let _ = hand.send(bounded(stream));
    });
    let world = World::with_services(kind, &[("s", service.address)]);
    let (connector, channels) = world.connector(&["s"]);
    Site { world, connector, channel: channels[0], accepted, _service: service }
}

impl Site {
    fn open(&self) -> (TcpStream, TcpStream) {
        let mut client = connect(self.channel);
        write_up_to(&mut client, UP, 0, 100);
        let mut service = self.accepted.recv_timeout(DEADLINE).unwrap();
        read_up_to(&mut service, UP, 0, 100);
        (client, service)
    }
}

/// Sends something both ways and ends both ways.
fn finish((mut client, mut service): (TcpStream, TcpStream)) {
    write_up_to(&mut client, UP, 100, 100_000);
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&mut service, UP, 100), (100_000, End::Eof));
    write_up_to(&mut service, DOWN, 0, 100_000);
    drop(service);
    assert_eq!(read_to_end(&mut client, DOWN, 0), (100_000, End::Eof));
}

fn assert_aborted((mut client, mut service): (TcpStream, TcpStream)) {
    assert_eq!(read_to_end(&mut client, DOWN, 0), (0, End::Aborted));
    assert_eq!(read_to_end(&mut service, UP, 100), (100, End::Aborted));
}

fn proxy_drains(kind: Kind) {
    let site = site(kind);
    let streams = [site.open(), site.open(), site.open()];
    let proxy = site.world.proxy();
    let address = proxy.address();
    thread::scope(|scope| {
        let started = Instant::now();
        let draining = scope.spawn(|| proxy.drain(Some(LONG)));
        wait_until("the proxy's port is closed", DEADLINE, || {
            TcpStream::connect(address).map(reset).is_err()
        });
        // Through the connector it is an abort: there is nobody to open a stream.
        assert_eq!(read_to_end(&mut connect(site.channel), DOWN, 0), (0, End::Aborted));
        assert!(site.accepted.try_recv().is_err(), "no new stream reached the service");
        streams.into_iter().for_each(finish);
        assert_eq!(draining.join().unwrap(), 0, "streams aborted");
        assert!(started.elapsed() < LONG / 2, "it stops when the last stream has ended");
    });
    wait_ended(proxy.crew().counters(), &[("clean", 3)]);
}

fn proxy_deadline(kind: Kind) {
    let site = site(kind);
    let (one, two, three) = (site.open(), site.open(), site.open());
    let proxy = site.world.proxy();
    thread::scope(|scope| {
        let draining = scope.spawn(|| proxy.drain(Some(Duration::from_secs(2))));
        finish(one);
        assert_eq!(draining.join().unwrap(), 2, "streams aborted");
    });
    assert_aborted(two);
    assert_aborted(three);
    wait_ended(proxy.crew().counters(), &[("clean", 1), ("drained", 2)]);
}

fn connector_drains(kind: Kind) {
    let site = site(kind);
    let streams = [site.open(), site.open(), site.open()];
    thread::scope(|scope| {
        let started = Instant::now();
        let draining = scope.spawn(|| site.connector.drain(Some(LONG)));
        wait_until("the channel is closed", DEADLINE, || {
            // One that still gets in must not be what the drain waits for.
            TcpStream::connect(site.channel).map(reset).is_err()
        });
        streams.into_iter().for_each(finish);
        assert_eq!(draining.join().unwrap(), 0, "streams aborted");
        assert!(started.elapsed() < LONG / 2, "it stops when the last stream has ended");
    });
    let workers = site.world.proxy().crew().counters();
    wait_until("the streams have ended cleanly", DEADLINE, || {
        count(workers, Count::StreamsEnded("clean")) == 3
    });
}

fn connector_deadline(kind: Kind) {
    let site = site(kind);
    let (one, two, three) = (site.open(), site.open(), site.open());
    thread::scope(|scope| {
        let draining = scope.spawn(|| site.connector.drain(Some(Duration::from_secs(2))));
        finish(one);
        assert_eq!(draining.join().unwrap(), 2, "streams aborted");
    });
    assert_aborted(two);
    assert_aborted(three);
    // A tunnel of many streams is aborted as a whole.
    let told = if mode() == "direct" { "client_aborted" } else { "tunnel_lost" };
    wait_ended(site.world.proxy().crew().counters(), &[("clean", 1), (told, 2)]);
}

/// Tunnels that a connector keeps ready carry nothing: nobody waits for them.
fn nothing_to_drain(kind: Kind) {
    let mut site = site(kind);
    let ready = || site.connector.channels()[0].status.connected();
    wait_until("warm tunnels are ready", DEADLINE, || ready().0 > 0 && ready().0 == ready().1);
    let started = Instant::now();
    assert_eq!(site.world.stop_proxy(LONG), 0, "streams aborted");
    assert!(started.elapsed() < LONG / 2);
}

fn between_goaways(kind: Kind) {
    let world = World::with_services(kind, &[("echo", Service::echo().address)]);
    let mut tunnel = RawTunnel::open(&world, &world.client("a", None));
    tunnel.open_stream(1, "echo");
    let last_stream = |goaway: &Frame| number(&goaway.payload[..4]);
    let proxy = world.proxy();
    thread::scope(|scope| {
        let draining = scope.spawn(|| proxy.drain(Some(LONG)));
        assert_eq!(last_stream(&tunnel.wait_for(GOAWAY, 0)), 0x7fff_ffff);
        let mark = tunnel.wait_for(PING, 0);
        assert_eq!(mark.flags & ACK, 0, "a PING of the proxy's own");
        // For all the proxy knows, this was on its way when it said that it stops.
        tunnel.open_stream(3, "echo");
        tunnel.ping(3, b"the late one");
        tunnel.send(&frame(PING, ACK, 0, &mark.payload));
        let goaway = tunnel.wait_for(GOAWAY, 0);
        assert_eq!((last_stream(&goaway), number(&goaway.payload[4..8])), (3, 0));
        for stream in [1, 3] {
            tunnel.ping(stream, b"until they end");
            // The other direction's end comes back from the service.
            tunnel.send(&frame(DATA, END_STREAM, stream, b""));
            while tunnel.wait_for(DATA, stream).flags & END_STREAM == 0 {}
        }
        assert_eq!(tunnel.last_word(), None, "the tunnel ends with its last stream");
        assert_eq!(draining.join().unwrap(), 0, "streams aborted");
    });
    wait_ended(proxy.crew().counters(), &[("clean", 2)]);
}

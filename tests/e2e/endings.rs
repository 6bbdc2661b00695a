//! An abort at one end is an abort at the other, never an end, after all that came before it.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    sync::mpsc,
    time::Duration,
};

use causeway::{engine::Kind, telemetry::Count};

use crate::support::{
    DEADLINE, End, Pattern, Service, Suite, World, bounded, connect, count, mode, open_stream,
    read_to_end, read_up_to, reset, wait_acknowledged, wait_ended, wait_until, write_until_aborted,
    write_up_to,
};

pub fn add(suite: &mut Suite) {
    suite.all("a_services_reset_follows_a_prefix_of_its_bytes", service_resets_at_once);
    suite.all("what_a_service_sent_before_its_reset_arrives", service_resets_later);
    suite.all("what_a_client_sent_before_its_reset_arrives", client_resets_later);
    suite.all("a_reset_before_any_byte_is_a_reset_at_the_other_end", silent_resets);
    suite.all("a_services_reset_stops_a_bulk_upload", service_resets_under_upload);
    suite.all("a_clients_reset_stops_a_bulk_download", client_resets_under_download);
    suite.all("a_client_that_ended_can_still_reset", client_ends_then_resets);
    suite.all("a_service_that_ended_can_still_reset", service_ends_then_resets);
    suite.all("a_foreign_client_hears_a_reset_as_truncation", foreign_hears_reset);
    suite.all("a_foreign_client_aborts_by_truncation", foreign_aborts);
}

const UP: Pattern = Pattern(21);
const DOWN: Pattern = Pattern(22);
const SOME: u64 = 64 * 1024;

/// A service that hands its connections to the test.
fn handed_over() -> (Service, mpsc::Receiver<TcpStream>) {
    let (hand, accepted) = mpsc::channel();
    let service = Service::start(move |stream| {
        // A test that is over no longer listens.
        let _ = hand.send(bounded(stream));
    });
    (service, accepted)
}

/// Both ends of one stream through connector and proxy, and what it lives in.
struct Joined {
    world: World,
    connector: causeway::connector::RunningConnector,
    channel: std::net::SocketAddr,
    accepted: mpsc::Receiver<TcpStream>,
    _service: Service,
}

impl Joined {
    fn new(kind: Kind) -> Self {
        let (service, accepted) = handed_over();
        let world = World::with_services(kind, &[("s", service.address)]);
        let (connector, channels) = world.connector(&["s"]);
        Self { world, connector, channel: channels[0], accepted, _service: service }
    }

    /// A stream that both sides have established.
    fn open(&self) -> (TcpStream, TcpStream) {
        let workers = self.connector.crew().counters();
        let opened = count(workers, Count::StreamsOpened);
        let client = connect(self.channel);
        let service = self.accepted.recv_timeout(DEADLINE).unwrap();
        wait_until("the stream is open", DEADLINE, || {
            count(workers, Count::StreamsOpened) > opened
        });
        (client, service)
    }

    /// Every stream ended so, on both sides of the tunnel.
    fn assert_all(&self, ending: &'static str, streams: u64) {
        self.assert_each(ending, ending, streams);
    }

    fn assert_each(&self, on_connector: &'static str, on_proxy: &'static str, streams: u64) {
        wait_ended(self.connector.crew().counters(), &[(on_connector, streams)]);
        wait_ended(self.world.proxy().crew().counters(), &[(on_proxy, streams)]);
    }
}

fn service_resets_at_once(kind: Kind) {
    let joined = Joined::new(kind);
    let sizes = [1, 1000, SOME, 1 << 20];
    for sent in sizes {
        let (mut client, mut service) = joined.open();
        write_up_to(&mut service, DOWN, 0, sent);
        reset(service);
        let (bytes, end) = read_to_end(&mut client, DOWN, 0);
        assert_eq!(end, End::Aborted, "{bytes} of {sent} bytes, then the end");
        assert!(bytes <= sent);
    }
    joined.assert_all("service_aborted", sizes.len() as u64);
}

fn service_resets_later(kind: Kind) {
    let joined = Joined::new(kind);
    for _ in 0..10 {
        let (mut client, mut service) = joined.open();
        write_up_to(&mut service, DOWN, 0, SOME);
        // The proxy's kernel has it all; that the client reads late makes no difference.
        wait_acknowledged(&service);
        reset(service);
        assert_eq!(read_to_end(&mut client, DOWN, 0), (SOME, End::Aborted));
    }
    joined.assert_all("service_aborted", 10);
}

fn client_resets_later(kind: Kind) {
    let joined = Joined::new(kind);
    for _ in 0..10 {
        let (mut client, mut service) = joined.open();
        write_up_to(&mut client, UP, 0, SOME);
        wait_acknowledged(&client);
        reset(client);
        assert_eq!(read_to_end(&mut service, UP, 0), (SOME, End::Aborted));
    }
    joined.assert_all("client_aborted", 10);
}

fn silent_resets(kind: Kind) {
    let joined = Joined::new(kind);
    let (mut client, service) = joined.open();
    reset(service);
    assert_eq!(read_to_end(&mut client, DOWN, 0), (0, End::Aborted));
    joined.assert_all("service_aborted", 1);
    let joined = Joined::new(kind);
    let (client, mut service) = joined.open();
    reset(client);
    assert_eq!(read_to_end(&mut service, UP, 0), (0, End::Aborted));
    joined.assert_all("client_aborted", 1);
}

fn service_resets_under_upload(kind: Kind) {
    let joined = Joined::new(kind);
    let (mut client, mut service) = joined.open();
    let uploading = std::thread::spawn(move || {
        assert!(write_until_aborted(&mut client), "the upload breaks as an abort does");
        let mut rest = Vec::new();
        // The write may have taken the error already; an end without any error came before.
        drop(client.read_to_end(&mut rest));
    });
    let mut bytes = vec![0; 8 << 20];
    service.read_exact(&mut bytes).unwrap();
    reset(service);
    uploading.join().unwrap();
    joined.assert_all("service_aborted", 1);
}

fn client_resets_under_download(kind: Kind) {
    let joined = Joined::new(kind);
    let (mut client, mut service) = joined.open();
    let sending = std::thread::spawn(move || write_until_aborted(&mut service));
    let mut bytes = vec![0; 8 << 20];
    client.read_exact(&mut bytes).unwrap();
    reset(client);
    assert!(sending.join().unwrap(), "the download breaks as an abort does");
    joined.assert_all("client_aborted", 1);
}

/// What the far end counts for an abort that follows an end. Behind a close_notify a connection
/// can say no more than that it is gone; an HTTP/2 stream can still be reset.
fn behind_an_end(aborted: &'static str) -> &'static str {
    if mode() == "direct" { "tunnel_lost" } else { aborted }
}

/// The client's end has gone through; its abort must still reach a service that is silent.
fn client_ends_then_resets(kind: Kind) {
    let joined = Joined::new(kind);
    let (mut client, mut service) = joined.open();
    write_up_to(&mut client, UP, 0, SOME);
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&mut service, UP, 0), (SOME, End::Eof));
    write_up_to(&mut service, DOWN, 0, 1000);
    read_up_to(&mut client, DOWN, 0, 1000);
    reset(client);
    assert_breaks_within(&mut service, Duration::from_secs(5));
    joined.assert_each("client_aborted", behind_an_end("client_aborted"), 1);
}

fn service_ends_then_resets(kind: Kind) {
    let joined = Joined::new(kind);
    let (mut client, mut service) = joined.open();
    write_up_to(&mut service, DOWN, 0, SOME);
    service.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&mut client, DOWN, 0), (SOME, End::Eof));
    write_up_to(&mut client, UP, 0, 1000);
    read_up_to(&mut service, UP, 0, 1000);
    reset(service);
    assert_breaks_within(&mut client, Duration::from_secs(5));
    joined.assert_each(behind_an_end("service_aborted"), "service_aborted", 1);
}

/// Nothing can be read any more; a byte now and then shows whether anybody is there.
fn assert_breaks_within(stream: &mut TcpStream, within: Duration) {
    wait_until("the abort arrives", within, || {
        stream.take_error().unwrap().is_some() || stream.write(&[0]).is_err()
    });
}

fn foreign_hears_reset(kind: Kind) {
    let joined = Joined::new(kind);
    let mut tls = open_stream(&joined.world, "s");
    let mut service = joined.accepted.recv_timeout(DEADLINE).unwrap();
    write_up_to(&mut service, DOWN, 0, SOME);
    wait_acknowledged(&service);
    reset(service);
    assert_eq!(read_to_end(&mut tls, DOWN, 0), (SOME, End::Aborted));
    wait_ended(joined.world.proxy().crew().counters(), &[("service_aborted", 1)]);
}

fn foreign_aborts(kind: Kind) {
    let joined = Joined::new(kind);
    let mut tls = open_stream(&joined.world, "s");
    let mut service = joined.accepted.recv_timeout(DEADLINE).unwrap();
    write_up_to(&mut tls, UP, 0, SOME);
    tls.sock.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&mut service, UP, 0), (SOME, End::Aborted));
    wait_ended(joined.world.proxy().crew().counters(), &[("client_aborted", 1)]);
}

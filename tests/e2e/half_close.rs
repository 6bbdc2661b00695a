//! Each direction ends on its own, in any order, and a clean end stays one.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    sync::{Mutex, mpsc},
};

use causeway::engine::Kind;

use crate::support::{
    DEADLINE, End, Pattern, Service, Suite, World, bounded, connect, open_stream, read_to_end,
    wait_ended, write_up_to,
};

pub fn add(suite: &mut Suite) {
    suite.all("an_answer_after_the_clients_end_arrives", client_first);
    suite.all("an_upload_after_the_services_end_arrives", service_first);
    suite.all("a_stream_that_carries_nothing_ends_cleanly", nothing_at_all);
    suite.all("ending_right_after_connect_loses_no_answer", end_at_once);
    suite.all("a_foreign_client_half_closes_with_close_notify", foreign_client_first);
    suite.all("a_foreign_client_hears_close_notify_and_goes_on", foreign_service_first);
}

const UP: Pattern = Pattern(11);
const DOWN: Pattern = Pattern(12);
const MANY: u64 = 3 << 20;

/// Runs `serve` for each connection and hands over what it returned.
fn service<T: Send + 'static>(
    serve: impl Fn(TcpStream) -> T + Send + Sync + 'static,
) -> (Service, mpsc::Receiver<T>) {
    let (outcome, outcomes) = mpsc::channel();
    let outcome = Mutex::new(outcome);
    let service = Service::start(move |stream| {
        let result = serve(bounded(stream));
        // A test that is over no longer listens.
        let _ = outcome.lock().unwrap().send(result);
    });
    (service, outcomes)
}

/// Hears the client out before it says anything.
fn late_answer(mut stream: TcpStream) -> (u64, End) {
    let heard = read_to_end(&mut stream, UP, 0);
    write_up_to(&mut stream, DOWN, 0, MANY);
    stream.shutdown(Shutdown::Write).unwrap();
    heard
}

/// Says everything and ends before it hears anything.
fn early_answer(mut stream: TcpStream) -> (u64, End) {
    write_up_to(&mut stream, DOWN, 0, MANY);
    stream.shutdown(Shutdown::Write).unwrap();
    read_to_end(&mut stream, UP, 0)
}

fn client_first(kind: Kind) {
    let (service, heard) = service(late_answer);
    let world = World::with_services(kind, &[("late", service.address)]);
    let (connector, channels) = world.connector(&["late"]);
    for (round, sent) in [0, 1, 16_384, MANY].into_iter().enumerate() {
        let mut client = connect(channels[0]);
        write_up_to(&mut client, UP, 0, sent);
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&mut client, DOWN, 0), (MANY, End::Eof));
        assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), (sent, End::Eof));
        let clean = round as u64 + 1;
        wait_ended(world.proxy().crew().counters(), &[("clean", clean)]);
        wait_ended(connector.crew().counters(), &[("clean", clean)]);
    }
}

fn service_first(kind: Kind) {
    let (service, heard) = service(early_answer);
    let world = World::with_services(kind, &[("early", service.address)]);
    let (connector, channels) = world.connector(&["early"]);
    for (round, sent) in [0, 1, 16_384, MANY].into_iter().enumerate() {
        let mut client = connect(channels[0]);
        assert_eq!(read_to_end(&mut client, DOWN, 0), (MANY, End::Eof));
        write_up_to(&mut client, UP, 0, sent);
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), (sent, End::Eof));
        let clean = round as u64 + 1;
        wait_ended(world.proxy().crew().counters(), &[("clean", clean)]);
        wait_ended(connector.crew().counters(), &[("clean", clean)]);
    }
}

fn nothing_at_all(kind: Kind) {
    let (service, heard) = service(|mut stream| {
        let heard = read_to_end(&mut stream, UP, 0);
        drop(stream);
        heard
    });
    let world = World::with_services(kind, &[("silent", service.address)]);
    let (connector, channels) = world.connector(&["silent"]);
    const ROUNDS: u64 = 20;
    for _ in 0..ROUNDS {
        let mut client = connect(channels[0]);
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&mut client, DOWN, 0), (0, End::Eof));
        assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), (0, End::Eof));
    }
    wait_ended(world.proxy().crew().counters(), &[("clean", ROUNDS)]);
    wait_ended(connector.crew().counters(), &[("clean", ROUNDS)]);
}

/// Both ends finish before the stream is even open.
fn end_at_once(kind: Kind) {
    let (service, heard) = service(early_answer);
    let world = World::with_services(kind, &[("early", service.address)]);
    let (connector, channels) = world.connector(&["early"]);
    const ROUNDS: u64 = 10;
    for _ in 0..ROUNDS {
        let mut client = connect(channels[0]);
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(read_to_end(&mut client, DOWN, 0), (MANY, End::Eof));
        assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), (0, End::Eof));
    }
    wait_ended(world.proxy().crew().counters(), &[("clean", ROUNDS)]);
    wait_ended(connector.crew().counters(), &[("clean", ROUNDS)]);
}

fn foreign_client_first(kind: Kind) {
    let (service, heard) = service(late_answer);
    let world = World::with_services(kind, &[("late", service.address)]);
    // Many TLS stacks end the TCP direction together with the TLS one.
    for also_tcp in [false, true] {
        let mut tls = open_stream(&world, "late");
        write_up_to(&mut tls, UP, 0, MANY);
        tls.conn.send_close_notify();
        tls.flush().unwrap();
        if also_tcp {
            tls.sock.shutdown(Shutdown::Write).unwrap();
        }
        assert_eq!(read_to_end(&mut tls, DOWN, 0), (MANY, End::Eof), "FIN {also_tcp}");
        assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), (MANY, End::Eof));
    }
    wait_ended(world.proxy().crew().counters(), &[("clean", 2)]);
}

fn foreign_service_first(kind: Kind) {
    let (service, heard) = service(early_answer);
    let world = World::with_services(kind, &[("early", service.address)]);
    let mut tls = open_stream(&world, "early");
    let mut answer = vec![0; MANY as usize];
    tls.read_exact(&mut answer).unwrap();
    DOWN.check(0, &answer);
    assert_eq!(tls.read(&mut [0; 1]).unwrap(), 0, "close_notify");
    write_up_to(&mut tls, UP, 0, MANY);
    tls.conn.send_close_notify();
    tls.flush().unwrap();
    assert_eq!(heard.recv_timeout(DEADLINE).unwrap(), (MANY, End::Eof));
    wait_ended(world.proxy().crew().counters(), &[("clean", 1)]);
}

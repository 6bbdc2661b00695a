//! Bytes through two open sessions: in order, complete, and with a clear end.

use causeway::tls::{Opened, TlsError};

use crate::files::Files;
use crate::pair::{Got, Pair, Split, pattern, seal};

fn open(split: Split) -> Pair {
    let files = Files::new();
    Pair::open(&files.client().tls, &files.server().tls, split)
}

#[test]
fn every_amount_arrives_as_it_was_sent() {
    let sizes = [0, 1, 2, 100, 16_383, 16_384, 16_385, 32_768, 65_536, 100_000, 300 * 1024];
    for split in [Split::All, Split::Random(3), Split::Every(4096)] {
        let mut pair = open(split);
        for size in sizes {
            for from_client in [true, false] {
                let plain = pattern(size);
                pair.send(from_client, &plain);
                let got = pair.receive(!from_client, 400 * 1024).unwrap();
                assert_eq!(got, Got { plain, closed: false }, "{size} bytes, {split:?}");
            }
        }
    }
}

#[test]
fn one_byte_at_a_time_is_enough() {
    let mut pair = open(Split::Every(1));
    let plain = pattern(20_000);
    pair.send(true, &plain);
    pair.close(true);
    assert_eq!(pair.receive(false, 16_384).unwrap(), Got { plain, closed: true });
}

#[test]
fn room_for_one_record_always_makes_progress() {
    let mut pair = open(Split::All);
    let plain = pattern(300 * 1024);
    pair.send(false, &plain);
    assert_eq!(pair.receive(true, 16_384).unwrap().plain, plain);
}

#[test]
fn a_record_without_room_is_left_untouched() {
    let mut pair = open(Split::All);
    pair.receive(true, 16_384).unwrap();
    let mut wire = seal(&mut pair.server, &[7; 1000]);
    let before = wire.clone();
    let mut control = Vec::new();
    let opened = pair.client.session.open(&mut wire, &mut [0; 999], &mut control).unwrap();
    assert_eq!(opened, Opened { full: true, ..Opened::default() });
    assert_eq!(wire, before);
    let mut plain = [0; 1001];
    let opened = pair.client.session.open(&mut wire, &mut plain, &mut control).unwrap();
    assert_eq!((opened.consumed, opened.produced, opened.full), (wire.len(), 1000, false));
}

#[test]
fn data_right_behind_the_handshake_waits_for_open() {
    let files = Files::new();
    let (client, server) = (files.client(), files.server());
    let mut pair = Pair::new(&client.tls, &server.tls, "proxy.test", Split::All);
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    assert!(!pair.client.session.handshake(&mut [], &mut to_server).state.unwrap());
    let step = pair.server.session.handshake(&mut to_server, &mut to_client);
    assert_eq!(step.consumed, to_server.len());
    assert!(!step.state.unwrap());
    let mut last_flight = Vec::new();
    assert!(pair.client.session.handshake(&mut to_client, &mut last_flight).state.unwrap());

    let handshake_bytes = last_flight.len();
    last_flight.extend(seal(&mut pair.client, b"early bird"));
    let mut tickets = Vec::new();
    let step = pair.server.session.handshake(&mut last_flight, &mut tickets);
    assert!(step.state.unwrap());
    assert_eq!(step.consumed, handshake_bytes);
    let mut plain = [0; 100];
    let rest = &mut last_flight[handshake_bytes..];
    let opened = pair.server.session.open(rest, &mut plain, &mut tickets).unwrap();
    assert_eq!(&plain[..opened.produced], b"early bird");
    assert_eq!(opened.consumed, rest.len());
}

#[test]
fn each_direction_ends_on_its_own() {
    for client_first in [true, false] {
        let mut pair = open(Split::All);
        pair.send(client_first, b"last words");
        pair.close(client_first);
        pair.close(client_first);
        let got = pair.receive(!client_first, 16_384).unwrap();
        assert_eq!(got, Got { plain: b"last words".to_vec(), closed: true });

        // The other direction is as open as before.
        let answer = pattern(100_000);
        pair.send(!client_first, &answer);
        assert_eq!(pair.receive(client_first, 16_384).unwrap().plain, answer);
        pair.close(!client_first);
        assert!(pair.receive(client_first, 16_384).unwrap().closed);
    }
}

#[test]
fn what_follows_the_end_is_ignored() {
    let mut pair = open(Split::All);
    pair.close(true);
    pair.server.incoming.extend(b"anything at all");
    assert_eq!(pair.receive(false, 16_384).unwrap(), Got { plain: vec![], closed: true });
    assert!(pair.server.incoming.is_empty());
    assert!(pair.receive(false, 16_384).unwrap().closed, "it stays ended");
}

#[test]
fn a_cut_connection_never_looks_like_an_end() {
    let mut pair = open(Split::All);
    pair.send(true, &pattern(50_000));
    pair.close(true);
    let whole = pair.server.incoming.len();
    pair.server.incoming.truncate(whole - 1);
    let got = pair.receive(false, 16_384).unwrap();
    assert_eq!(got.plain, pattern(50_000));
    assert!(!got.closed);
}

#[test]
fn nothing_is_sealed_after_our_end() {
    let mut pair = open(Split::All);
    pair.close(true);
    let sealed = pair.client.session.seal(b"x", &mut [0; 200]);
    assert!(matches!(sealed, Err(TlsError::Internal(_))));
}

#[test]
fn too_little_room_to_seal_is_an_error_that_loses_nothing() {
    let mut pair = open(Split::All);
    let short = pair.client.session.seal(b"hello", &mut [0; 10]);
    assert_eq!(short, Err(TlsError::OutputTooSmall));
    pair.send(true, b"hello");
    assert_eq!(pair.receive(false, 16_384).unwrap().plain, b"hello");
}

#[test]
fn keys_change_while_data_flows_in_both_directions() {
    for split in [Split::All, Split::Every(1)] {
        let mut pair = open(split);
        for round in 0..50 {
            pair.refresh(round % 2 == 0);
            for from_client in [true, false] {
                let plain = pattern(1000 + round);
                pair.send(from_client, &plain);
                let got = pair.receive(!from_client, 16_384).unwrap();
                assert_eq!(got.plain, plain, "round {round}");
            }
        }
    }
}

#[test]
fn a_request_for_new_keys_is_answered_without_data_to_send() {
    let mut pair = open(Split::All);
    pair.receive(true, 16_384).unwrap();
    pair.refresh(true);
    pair.receive(false, 16_384).unwrap();
    assert!(!pair.client.incoming.is_empty(), "the answer left by itself");
    let got = pair.receive(true, 16_384).unwrap();
    assert_eq!(got, Got::default());
    pair.send(false, b"under new keys");
    assert_eq!(pair.receive(true, 16_384).unwrap().plain, b"under new keys");
}

#[test]
fn keys_can_change_after_our_end() {
    let mut pair = open(Split::All);
    pair.receive(true, 16_384).unwrap();
    pair.close(true);
    pair.refresh(false);
    pair.send(false, b"still here");
    let got = pair.receive(true, 16_384).unwrap();
    assert_eq!(got.plain, b"still here");
    let got = pair.receive(false, 16_384).unwrap();
    assert!(got.closed, "nothing came behind the end");
}

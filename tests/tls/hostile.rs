//! Bytes no honest peer sends: an error, an alert where TLS has one, never a panic.

use causeway::tls::TlsError;

use crate::files::Files;
use crate::pair::{Pair, Split, pattern};

#[test]
fn another_protocol_is_told_at_once() {
    let server = Files::new().server().tls;
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"SSH-2.0-OpenSSH", &[0; 16], &[0xff; 5]] {
        let mut session = server.accept().unwrap();
        let mut out = Vec::new();
        let waits = session.handshake(&mut bytes.to_vec()[..2], &mut out);
        assert_eq!(waits.state, Ok(false));
        let step = session.handshake(&mut bytes.to_vec(), &mut out);
        assert_eq!(step.state, Err(TlsError::NotTls));
        let again = session.handshake(&mut [], &mut out);
        assert_eq!(again.state, Err(TlsError::NotTls), "an error stays");
    }
}

#[test]
fn too_few_bytes_to_tell_wait_for_more() {
    let mut session = Files::new().server().tls.accept().unwrap();
    let step = session.handshake(&mut [22, 3, 1], &mut Vec::new());
    assert_eq!((step.consumed, step.state), (0, Ok(false)));
}

#[test]
fn a_handshake_message_without_an_end_is_bounded() {
    let mut session = Files::new().server().tls.accept().unwrap();
    // A hello of 65 535 bytes, in records of ten.
    let mut stream = vec![22, 3, 1, 0, 4, 1, 0, 0xff, 0xff];
    let mut fed = 0;
    for _ in 0..20_000 {
        let step = session.handshake(&mut stream, &mut Vec::new());
        fed += step.consumed;
        if step.state.is_err() {
            assert!(fed < 200_000);
            return;
        }
        assert_eq!(step.consumed, stream.len());
        stream = [&[22, 3, 1, 0, 10][..], &[0; 10]].concat();
    }
    panic!("{fed} bytes were taken");
}

#[test]
fn a_flipped_bit_in_the_handshake_never_passes_nor_panics() {
    let files = Files::new();
    let (client, server) = (files.client().tls, files.server().tls);
    let mut hello = Vec::new();
    let _ = client.connect("proxy.test").unwrap().handshake(&mut [], &mut hello);
    for at in 0..hello.len() {
        for bit in [0, 7] {
            let mut damaged = hello.clone();
            damaged[at] ^= 1 << bit;
            let mut out = Vec::new();
            // A damaged hello may still be a hello; it must not be a finished handshake.
            let step = server.accept().unwrap().handshake(&mut damaged, &mut out);
            assert_ne!(step.state, Ok(true));
        }
    }
}

#[test]
fn a_flipped_bit_in_the_servers_flight_fails_the_client_with_an_alert() {
    let files = Files::new();
    let (client, server) = (files.client().tls, files.server().tls);
    let mut random = fastrand::Rng::with_seed(11);
    for _ in 0..100 {
        let mut pair = Pair::new(&client, &server, "proxy.test", Split::All);
        let (mut hello, mut flight, mut out) = (Vec::new(), Vec::new(), Vec::new());
        let _ = pair.client.session.handshake(&mut [], &mut hello);
        let _ = pair.server.session.handshake(&mut hello, &mut flight);
        let mut at = random.usize(..flight.len());
        while in_a_records_version(&flight, at) {
            at = random.usize(..flight.len());
        }
        flight[at] ^= 1 << random.u8(..8);
        let step = pair.client.session.handshake(&mut flight, &mut out);
        assert_ne!(step.state, Ok(true), "byte {at}");
    }
}

/// The version in a record's header has no meaning any more and is ignored (RFC 8446 §5.1).
fn in_a_records_version(stream: &[u8], at: usize) -> bool {
    let mut header = 0;
    while header + 5 <= at {
        let length = usize::from(u16::from_be_bytes([stream[header + 3], stream[header + 4]]));
        if header + 5 + length > at {
            return false;
        }
        header += 5 + length;
    }
    (1..=2).contains(&(at - header))
}

#[test]
fn a_flipped_bit_in_data_is_an_error_with_an_alert_for_the_peer() {
    let files = Files::new();
    let (client, server) = (files.client().tls, files.server().tls);
    let mut random = fastrand::Rng::with_seed(5);
    for round in 0..200 {
        let mut pair = Pair::open(&client, &server, Split::All);
        pair.receive(true, 16_384).unwrap();
        pair.send(true, &pattern(200));
        // Behind the header: bits of the length would only make the record longer.
        let at = random.usize(5..pair.server.incoming.len());
        pair.server.incoming[at] ^= 1 << random.u8(..8);
        assert_eq!(pair.receive(false, 16_384).unwrap_err(), TlsError::BadRecord, "{round}");
        let told = pair.receive(true, 16_384).unwrap_err();
        assert_eq!(told, TlsError::Alert("BadRecordMac".into()));
        let repeated = pair.server.session.seal(b"x", &mut [0; 100]);
        assert_eq!(repeated, Err(TlsError::BadRecord));
    }
}

#[test]
fn what_arrived_before_the_damage_is_delivered_before_the_error() {
    let files = Files::new();
    let mut pair = Pair::open(&files.client().tls, &files.server().tls, Split::All);
    pair.send(true, b"good");
    pair.send(true, b"bad");
    *pair.server.incoming.last_mut().unwrap() ^= 1;
    let (mut plain, mut control) = ([0; 16_384], Vec::new());
    let shown = pair.server.incoming.len();
    let incoming = &mut pair.server.incoming[..shown];
    let opened = pair.server.session.open(incoming, &mut plain, &mut control).unwrap();
    assert_eq!(&plain[..opened.produced], b"good");
    assert!(opened.full, "the caller comes again at once");
    assert!(!control.is_empty(), "the alert is out");
    let rest = &mut incoming[opened.consumed..];
    let error = pair.server.session.open(rest, &mut plain, &mut control).unwrap_err();
    assert_eq!(error, TlsError::BadRecord);
}

#[test]
fn random_bytes_never_panic_nor_open() {
    let files = Files::new();
    let (client, server) = (files.client().tls, files.server().tls);
    let mut random = fastrand::Rng::with_seed(23);
    for round in 0..500 {
        let mut bytes: Vec<u8> = (0..random.usize(..600)).map(|_| random.u8(..)).collect();
        if round % 2 == 0 && bytes.len() > 5 {
            // Well-formed outside, garbage inside.
            let length = u16::try_from(bytes.len() - 5).unwrap().to_be_bytes();
            bytes[..5].copy_from_slice(&[random.u8(20..24), 3, 3, length[0], length[1]]);
        }
        let mut fresh = server.accept().unwrap();
        assert_ne!(fresh.handshake(&mut bytes.clone(), &mut Vec::new()).state, Ok(true));
        let mut dialled = client.connect("proxy.test").unwrap();
        assert_ne!(dialled.handshake(&mut bytes.clone(), &mut Vec::new()).state, Ok(true));
        if round % 10 == 0 {
            let mut pair = Pair::open(&client, &server, Split::All);
            let mut plain = vec![0; 16_384];
            if let Ok(opened) = pair.server.session.open(&mut bytes, &mut plain, &mut Vec::new()) {
                assert_eq!(opened.produced, 0);
            }
        }
    }
}

#[test]
fn data_before_the_handshake_is_our_error_and_harms_nothing() {
    let files = Files::new();
    let (client, server) = (files.client().tls, files.server().tls);
    let mut pair = Pair::new(&client, &server, "proxy.test", Split::All);
    assert!(pair.client.session.seal(b"x", &mut [0; 100]).is_err());
    assert!(pair.client.session.open(&mut [], &mut [], &mut Vec::new()).is_err());
    let mut out = Vec::new();
    pair.client.session.close_notify(&mut out);
    assert!(out.is_empty());
    pair.shake().unwrap();
}

#[test]
fn a_flood_of_key_requests_is_ended() {
    let files = Files::new();
    let mut pair = Pair::open(&files.client().tls, &files.server().tls, Split::All);
    let failed = (0..100).find_map(|_| {
        pair.refresh(true);
        pair.receive(false, 16_384).err()
    });
    assert!(matches!(failed, Some(TlsError::Misbehaved(_))), "{failed:?}");
}

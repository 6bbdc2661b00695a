//! Two thousand connections of random and mutated bytes, below and above TLS, against a proxy
//! that serves others meanwhile and has nothing left of them afterwards.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::Arc,
    thread,
    time::{Duration, SystemTime},
};

use causeway::{engine::Kind, telemetry::Count};
use fastrand::Rng;
use rustls::{ClientConfig, ClientConnection, pki_types::ServerName};
use socket2::SockRef;

use crate::{
    hostile::Siege,
    support::{
        DEADLINE, HOST, Service, Suite, TlsStream, World, client_config, connect_head, dial,
        dial_plain, held_sockets, open_service, ping, wait_until,
    },
};

pub fn add(suite: &mut Suite) {
    suite.both("two_thousand_random_inputs_leave_nothing_behind", random_inputs);
}

const INPUTS: u64 = 2000;
const THREADS: u64 = 8;

fn random_inputs(kind: Kind) {
    let seed = std::env::var("CAUSEWAY_FUZZ_SEED").map_or_else(
        |_| SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64,
        |text| text.parse().unwrap(),
    );
    println!("{kind}: CAUSEWAY_FUZZ_SEED={seed}");
    let echo = Service::echo();
    let world = World::with_services(kind, &[("echo", echo.address)]);
    let siege = Siege::of(world);
    let address = siege.world.proxy_address();
    let hello = hello(&siege.honest);
    let nobody = client_config(&siege.world, None);
    thread::scope(|scope| {
        let attackers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (hello, honest, nobody) = (&hello, &siege.honest, &nobody);
                scope.spawn(move || {
                    for input in (thread..INPUTS).step_by(THREADS as usize) {
                        let mut random = Rng::with_seed(seed.wrapping_add(input));
                        match random.u8(0..10) {
                            0..5 => below_tls(&mut random, address, hello),
                            5 => above_tls(&mut random, address, nobody),
                            _ => above_tls(&mut random, address, honest),
                        }
                    }
                })
            })
            .collect();
        while !attackers.iter().all(|attacker| attacker.is_finished()) {
            ping(&mut open_service(&siege.world, &siege.honest, "echo"), "meanwhile");
        }
        for attacker in attackers {
            attacker.join().unwrap_or_else(|_| panic!("CAUSEWAY_FUZZ_SEED={seed} shows it again"));
        }
    });
    let ports = [address.port(), echo.address.port()];
    // The stream from before: its client, the proxy's two ends, the service, and two listeners.
    let left = || ports.map(|port| held_sockets(port).iter().filter(|s| !s.is_listening()).count());
    wait_until("every session is gone", DEADLINE, || siege.world.sessions() == 1);
    wait_until("every socket is gone", DEADLINE, || left() == [2, 2]);
    let failed = siege.world.counted(Count::HandshakesFailed("not_tls"))
        + siege.world.counted(Count::HandshakesFailed("peer_misbehaved"));
    let refused = siege.world.counted(Count::Refused("malformed"));
    assert!(failed > 100 && refused > 50, "{failed} failed, {refused} malformed: too tame");
    siege.end();
    wait_until("the last ones, too", DEADLINE, || left() == [0, 0]);
}

fn hello(config: &Arc<ClientConfig>) -> Vec<u8> {
    let name = ServerName::try_from(HOST).unwrap();
    let mut bytes = Vec::new();
    let mut connection = ClientConnection::new(config.clone(), name).unwrap();
    connection.write_tls(&mut bytes).unwrap();
    bytes
}

/// Some changes of the kind that break parsers.
fn mutate(random: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..random.usize(0..6) {
        if bytes.is_empty() {
            return;
        }
        let at = random.usize(0..bytes.len());
        match random.u8(0..7) {
            0 => bytes[at] ^= 1 << random.u8(0..8),
            1 => {
                bytes[at] =
                    *random.choice(&[0, 0xff, b'\r', b'\n', b':', b' ', 0x7f, 0x80]).unwrap()
            }
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..(at + random.usize(0..20)).min(bytes.len()))),
            4 => bytes.insert(at, random.u8(..)),
            5 => {
                let piece = bytes[at..(at + random.usize(0..200)).min(bytes.len())].to_vec();
                let to = random.usize(0..=bytes.len());
                bytes.splice(to..to, piece);
            }
            _ => bytes.extend((0..random.usize(0..3000)).map(|_| random.u8(..))),
        }
    }
}

fn noise(random: &mut Rng, bytes_max: usize) -> Vec<u8> {
    (0..random.usize(0..bytes_max)).map(|_| random.u8(..)).collect()
}

fn below_tls(random: &mut Rng, address: SocketAddr, hello: &[u8]) {
    let mut bytes = match random.u8(0..6) {
        0 => noise(random, 5000),
        1 => {
            // A record of any type, version and length, with as much noise as it likes.
            let body = noise(random, 20_000);
            let kind = random.u8(19..25);
            let length = if random.bool() { body.len() as u16 } else { random.u16(..) };
            let length = length.to_be_bytes();
            [&[kind, 3, random.u8(0..5), length[0], length[1]], &body[..]].concat()
        }
        _ => hello.to_vec(),
    };
    mutate(random, &mut bytes);
    let mut socket = dial_plain(address);
    let piece = *random.choice(&[1 + bytes.len(), 1 + bytes.len() / 3, 100]).unwrap();
    for part in bytes.chunks(piece) {
        // The proxy may have had enough.
        if socket.write_all(part).is_err() {
            break;
        }
    }
    if random.bool() {
        // It may be that the hello was one: what answers an answer is noise as well.
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        if socket.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {
            let _ = socket.write_all(&noise(random, 2000));
        }
    }
    leave(random, &mut socket);
}

fn above_tls(random: &mut Rng, address: SocketAddr, config: &Arc<ClientConfig>) {
    let mut tls = dial(address, HOST, config);
    let mut bytes = match random.u8(0..5) {
        0 => noise(random, 20_000),
        1 => b"GET /healthcheck HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        2 => {
            let mut head = connect_head("echo");
            head.truncate(head.len() - 2);
            for _ in 0..random.usize(0..80) {
                head.extend_from_slice(b"X-Field: ");
                head.extend(noise(random, 300).iter().map(|byte| b' ' + byte % 95));
                head.extend_from_slice(b"\r\n");
            }
            [&head[..], b"\r\n"].concat()
        }
        _ => connect_head(if random.bool() { "echo" } else { "nothing" }),
    };
    mutate(random, &mut bytes);
    let piece = *random.choice(&[1 + bytes.len(), 1 + bytes.len() / 3, 100]).unwrap();
    for part in bytes.chunks(piece) {
        // The proxy may have had enough.
        if tls.write_all(part).is_err() {
            break;
        }
    }
    let TlsStream { mut conn, mut sock } = tls;
    match random.u8(0..3) {
        0 => {
            // Noise among the records, or a damaged one.
            let mut record = Vec::new();
            conn.send_close_notify();
            conn.write_tls(&mut record).unwrap();
            mutate(random, &mut record);
            let _ = sock.write_all(&record);
        }
        1 => {
            conn.send_close_notify();
            // The proxy may have closed.
            let _ = conn.write_tls(&mut sock);
        }
        _ => {}
    }
    leave(random, &mut sock);
}

/// Ends a connection in one of the ways there are.
fn leave(random: &mut Rng, socket: &mut TcpStream) {
    match random.u8(0..4) {
        0 => SockRef::from(&*socket).set_linger(Some(Duration::ZERO)).unwrap(),
        1 => {}
        _ => {
            // The proxy may have closed, which ends the reading as well.
            let _ = socket.shutdown(Shutdown::Write);
            socket.set_read_timeout(Some(DEADLINE)).unwrap();
            let mut bytes = [0; 16 * 1024];
            loop {
                match socket.read(&mut bytes) {
                    Ok(1..) => {}
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                        panic!("the proxy holds a connection that its client has ended");
                    }
                    Ok(0) | Err(_) => return,
                }
            }
        }
    }
}

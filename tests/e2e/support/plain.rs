//! What tests do with plain TCP streams: connect, send and check patterns, reset, see the end.

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use socket2::SockRef;

use super::{DEADLINE, Pattern, wait_until};

/// How a stream of bytes ended for its reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Cleanly.
    Eof,
    /// ECONNRESET; on a TLS stream also its end without a close_notify.
    Aborted,
}

/// Connects; no read or write may hang.
pub fn connect(address: SocketAddr) -> TcpStream {
    bounded(TcpStream::connect(address).unwrap())
}

/// The stream with deadlines.
pub fn bounded(stream: TcpStream) -> TcpStream {
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    stream.set_write_timeout(Some(DEADLINE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Closes with an RST instead of a FIN.
pub fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
}

/// Reads the stream to its end: how many bytes came, all checked, and how it ended. Anything but
/// an end or an abort fails the test, a hang above all.
pub fn read_to_end(stream: &mut impl Read, pattern: Pattern, from: u64) -> (u64, End) {
    let mut bytes = vec![0; 128 * 1024];
    let mut at = from;
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return (at, End::Eof),
            Ok(read) => {
                pattern.check(at, &bytes[..read]);
                at += read as u64;
            }
            Err(error) => match error.kind() {
                ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof => return (at, End::Aborted),
                ErrorKind::Interrupted => {}
                _ => panic!("after {at} bytes neither an end nor a reset: {error}"),
            },
        }
    }
}

/// Reads exactly up to position `to`.
pub fn read_up_to(stream: &mut impl Read, pattern: Pattern, from: u64, to: u64) {
    let mut bytes = vec![0; (to - from) as usize];
    stream.read_exact(&mut bytes).unwrap();
    pattern.check(from, &bytes);
}

/// Writes the bytes from position `from` up to `to`.
pub fn write_up_to(stream: &mut impl Write, pattern: Pattern, from: u64, to: u64) {
    let mut bytes = vec![0; (to - from) as usize];
    pattern.fill(from, &mut bytes);
    stream.write_all(&bytes).unwrap();
}

/// Writes until the connection breaks; true when it broke as an abort does.
pub fn write_until_aborted(stream: &mut impl Write) -> bool {
    let bytes = vec![0; 64 * 1024];
    loop {
        if let Err(error) = stream.write_all(&bytes) {
            let kind = error.kind();
            return matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe);
        }
    }
}

/// Waits until the kernel at the other end of this IPv4 connection has acknowledged every byte.
pub fn wait_acknowledged(stream: &TcpStream) {
    let hex = |address: SocketAddr| match address {
        SocketAddr::V4(v4) => {
            format!("{:08X}:{:04X}", u32::from(*v4.ip()).swap_bytes(), v4.port())
        }
        SocketAddr::V6(_) => panic!("IPv4 only"),
    };
    let (local, peer) = (hex(stream.local_addr().unwrap()), hex(stream.peer_addr().unwrap()));
    let ends = format!("{local} {peer} ");
    wait_until("acknowledged", DEADLINE, || {
        let table = fs::read_to_string("/proc/net/tcp").unwrap();
        let line = table.lines().find(|line| line.contains(&ends)).expect("the connection is open");
        // sl local remote state tx_queue:rx_queue
        line.split_whitespace().nth(4).unwrap().starts_with("00000000:")
    });
}

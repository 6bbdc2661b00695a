//! A client of HTTP/2 frames over real TLS that knows no state and no rule, so that it can break
//! any of them. It shares no code with the HTTP/2 crate.

use std::{
    collections::VecDeque,
    io::{Read, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{ClientFiles, DEADLINE, HOST, TlsStream, World, client_config, dial};

pub const DATA: u8 = 0x0;
pub const HEADERS: u8 = 0x1;
pub const PRIORITY: u8 = 0x2;
pub const RST_STREAM: u8 = 0x3;
pub const SETTINGS: u8 = 0x4;
pub const PING: u8 = 0x6;
pub const GOAWAY: u8 = 0x7;
pub const WINDOW_UPDATE: u8 = 0x8;
pub const CONTINUATION: u8 = 0x9;

/// Of DATA and HEADERS.
pub const END_STREAM: u8 = 0x1;
/// Of SETTINGS and PING.
pub const ACK: u8 = 0x1;
pub const END_HEADERS: u8 = 0x4;

/// Error codes (RFC 9113 §7).
pub const PROTOCOL_ERROR: u32 = 0x1;
pub const FLOW_CONTROL_ERROR: u32 = 0x3;
pub const REFUSED_STREAM: u32 = 0x7;
pub const CANCEL: u32 = 0x8;
pub const ENHANCE_YOUR_CALM: u32 = 0xb;

/// A frame as it is on the wire (RFC 9113 §4.1), whatever it may mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// Writes a frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Writes a SETTINGS frame.
pub fn settings(entries: &[(u16, u32)]) -> Vec<u8> {
    let entries = entries.iter();
    let payload: Vec<u8> = entries
        .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
        .collect();
    frame(SETTINGS, 0, 0, &payload)
}

/// Writes a WINDOW_UPDATE frame.
pub fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

/// Writes a RST_STREAM frame.
pub fn rst(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.to_be_bytes())
}

/// A header field that stays out of the dynamic table (RFC 7541 §6.2.2), without Huffman coding.
pub fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        length(&mut bytes, text.len());
        bytes.extend(text.as_bytes());
    }
    bytes
}

/// An integer with a prefix of 7 bits (RFC 7541 §5.1).
fn length(bytes: &mut Vec<u8>, value: usize) {
    if value < 127 {
        return bytes.push(value as u8);
    }
    bytes.push(127);
    let mut rest = value - 127;
    while rest >= 128 {
        bytes.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    bytes.push(rest as u8);
}

/// The header block of a CONNECT.
pub fn connect_block(authority: &str) -> Vec<u8> {
    [literal(":method", "CONNECT"), literal(":authority", authority)].concat()
}

/// Writes a CONNECT.
pub fn connect(stream: u32, authority: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &connect_block(authority))
}

/// A tunnel whose client has sent the preface and its settings, and reads when it is asked to.
pub struct RawTunnel {
    tls: TlsStream,
    received: Vec<u8>,
    frames: VecDeque<Frame>,
    broken: bool,
}

impl RawTunnel {
    /// Dials the world's proxy with ALPN h2.
    pub fn open(world: &World, files: &ClientFiles) -> Self {
        Self::with_settings(world, files, &[])
    }

    /// The same, with settings of the client's own.
    pub fn with_settings(world: &World, files: &ClientFiles, entries: &[(u16, u32)]) -> Self {
        let mut config = Arc::unwrap_or_clone(client_config(world, Some(files)));
        config.alpn_protocols = vec![b"h2".to_vec()];
        let tls = dial(world.proxy_address(), HOST, &Arc::new(config));
        let (received, frames) = (Vec::new(), VecDeque::new());
        let mut tunnel = Self { tls, received, frames, broken: false };
        tunnel.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        tunnel.send(&settings(entries));
        tunnel
    }

    /// Whether the proxy has shaken hands with it; one it turns away gets no word.
    pub fn was_let_in(&self) -> bool {
        !self.tls.conn.is_handshaking()
    }

    /// Sends bytes; false when the proxy has had enough.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.broken = self.broken || self.tls.write_all(bytes).is_err();
        !self.broken
    }

    /// Sends bytes, and hears meanwhile whether the proxy has finished: where it closed just when
    /// its window was shut, writing alone does not tell for a minute. False when it has had enough.
    pub fn flood(&mut self, bytes: &[u8]) -> bool {
        let patience = Some(Duration::from_millis(100));
        self.tls.sock.set_write_timeout(patience).unwrap();
        let (mut rest, start) = (bytes, Instant::now());
        while !rest.is_empty() && !self.broken {
            match self.tls.write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    self.broken = self.has_finished();
                    assert!(start.elapsed() < DEADLINE, "neither taken nor ended");
                }
                Err(_) => self.broken = true,
            }
        }
        self.tls.sock.set_write_timeout(None).unwrap();
        !self.broken
    }

    /// Takes in what has come; whether that was the end.
    fn has_finished(&mut self) -> bool {
        self.tls.sock.set_nonblocking(true).unwrap();
        let finished = loop {
            match self.tls.conn.read_tls(&mut self.tls.sock) {
                Ok(0) => break true,
                Ok(_) if self.tls.conn.process_new_packets().is_ok() => {}
                Ok(_) => break true,
                Err(error) => break error.kind() != std::io::ErrorKind::WouldBlock,
            }
        };
        self.tls.sock.set_nonblocking(false).unwrap();
        finished
    }

    /// Waits for the next frame; `None` when the tunnel has ended.
    pub fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return Some(frame);
            }
            let mut bytes = [0; 16 * 1024];
            match self.tls.conn.reader().read(&mut bytes) {
                Ok(read @ 1..) => {
                    self.received.extend(&bytes[..read]);
                    self.parse();
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    if !self.receive() {
                        return None;
                    }
                }
                Ok(0) | Err(_) => return None,
            }
        }
    }

    /// Receives without sending: what the proxy said is to be read after it stopped listening,
    /// too. False when the connection has ended.
    fn receive(&mut self) -> bool {
        match self.tls.conn.read_tls(&mut self.tls.sock) {
            Ok(1..) => self.tls.conn.process_new_packets().is_ok(),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                panic!("no frame and no end within {DEADLINE:?}");
            }
            Ok(0) | Err(_) => false,
        }
    }

    fn parse(&mut self) {
        let mut rest = &self.received[..];
        while let [high, middle, low, kind, flags, a, b, c, d, more @ ..] = rest {
            let length = usize::from(*high) << 16 | usize::from(*middle) << 8 | usize::from(*low);
            if more.len() < length {
                break;
            }
            let (payload, behind) = more.split_at(length);
            let stream = u32::from_be_bytes([*a, *b, *c, *d]);
            let payload = payload.to_vec();
            self.frames.push_back(Frame { kind: *kind, flags: *flags, stream, payload });
            rest = behind;
        }
        let parsed = self.received.len() - rest.len();
        self.received.drain(..parsed);
    }

    /// Waits for a frame of that kind on that stream; what else comes is thrown away.
    pub fn wait_for(&mut self, kind: u8, stream: u32) -> Frame {
        loop {
            let frame = self.next();
            let frame = frame.unwrap_or_else(|| panic!("an end, no {kind:#x} on {stream}"));
            assert!(frame.kind != GOAWAY || kind == GOAWAY, "an early GOAWAY: {frame:?}");
            if (frame.kind, frame.stream) == (kind, stream) {
                return frame;
            }
        }
    }

    /// Sends a CONNECT and waits for its status.
    pub fn ask(&mut self, stream: u32, authority: &str) -> u16 {
        assert!(self.send(&connect(stream, authority)), "the tunnel has ended");
        status(&self.wait_for(HEADERS, stream))
    }

    /// Opens a stream.
    pub fn open_stream(&mut self, stream: u32, service: &str) {
        assert_eq!(self.ask(stream, &format!("{service}:80")), 200);
    }

    /// Sends some bytes to an echo service and wants them back.
    pub fn ping(&mut self, stream: u32, text: &[u8]) {
        assert!(self.send(&frame(DATA, 0, stream, text)), "the tunnel has ended");
        let mut back = Vec::new();
        while back.len() < text.len() {
            back.extend(self.wait_for(DATA, stream).payload);
        }
        assert_eq!(back, text);
        // Credit for the next ones, for the stream and the tunnel.
        let bytes = u32::try_from(text.len()).unwrap();
        assert!(self.send(&[window_update(stream, bytes), window_update(0, bytes)].concat()));
    }

    /// Reads to the end of the tunnel: the error code of the last GOAWAY.
    pub fn last_word(&mut self) -> Option<u32> {
        let mut code = None;
        while let Some(frame) = self.next() {
            if frame.kind == GOAWAY {
                code = Some(number(&frame.payload[4..8]));
            }
        }
        code
    }
}

/// Four bytes as a number.
pub fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().unwrap())
}

/// The status of an answer: those that are in HPACK's static table (RFC 7541, appendix A), and the
/// first 429 of a tunnel, whose digits are Huffman-coded. The tests here tell apart no others.
pub fn status(headers: &Frame) -> u16 {
    match headers.payload[..] {
        [0x88, ..] => 200,
        [0x8c, ..] => 400,
        [0x8d, ..] => 404,
        [0x48, 0x83, 0x68, 0x4f, 0xff, ..] => 429,
        ref other => panic!("another status: {other:x?}"),
    }
}

//! Budgets for what a peer can make us do with frames that cost it nothing: counted frame by
//! frame on the plaintext, before the HTTP/2 crate sees it (the table of attacks in RFC 9113
//! §10.5 and its successors).

use std::time::Instant;

use crate::limits::{self, Rate};

/// Which budget a peer used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flood {
    /// RST_STREAM frames.
    Resets,
    /// PING frames.
    Pings,
    /// SETTINGS frames, or the entries of one.
    Settings,
    /// CONTINUATION frames of one header block.
    Continuations,
    /// DATA frames without payload that do not end their stream.
    EmptyData,
    /// WINDOW_UPDATE frames.
    WindowUpdates,
    /// PRIORITY frames and frames of unknown type.
    Ignored,
    /// Streams reset before they were answered.
    PrematureResets,
    /// Streams that we had to reset because of what the peer did on them.
    ProvokedResets,
}

impl Flood {
    /// The stable label for logs and counters.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Resets => "reset_flood",
            Self::Pings => "ping_flood",
            Self::Settings => "settings_flood",
            Self::Continuations => "continuation_flood",
            Self::EmptyData => "empty_data_flood",
            Self::WindowUpdates => "window_update_flood",
            Self::Ignored => "ignored_frame_flood",
            Self::PrematureResets => "premature_reset_flood",
            Self::ProvokedResets => "provoked_reset_flood",
        }
    }
}

/// A token bucket: a burst, refilled at a rate.
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    rate: Rate,
    tokens: f64,
    filled_at: Instant,
}

impl Bucket {
    /// A full one.
    #[must_use]
    pub fn new(rate: Rate, now: Instant) -> Self {
        Self { rate, tokens: f64::from(rate.burst), filled_at: now }
    }

    /// Takes a token; false when there is none.
    pub fn take(&mut self, now: Instant) -> bool {
        self.refill(now);
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }

    /// Puts back what was taken for somebody who turned out not to need it.
    pub fn put_back(&mut self) {
        self.tokens = (self.tokens + 1.0).min(f64::from(self.rate.burst));
    }

    /// Whether nothing is missing, as in a new one.
    pub fn is_full(&mut self, now: Instant) -> bool {
        self.refill(now);
        self.tokens >= f64::from(self.rate.burst)
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.filled_at).as_secs_f64();
        self.filled_at = now;
        let filled = self.tokens + passed * f64::from(self.rate.per_second);
        self.tokens = filled.min(f64::from(self.rate.burst));
    }
}

/// Length of the client's connection preface (RFC 9113 §3.4).
pub(super) const PREFACE_BYTES: usize = 24;
const HEAD_BYTES: usize = 9;
/// One entry of a SETTINGS frame (RFC 9113 §6.5.1).
const SETTING_BYTES: usize = 6;

/// Walks over the frame heads of one direction of one session.
#[derive(Debug)]
pub struct Guard {
    /// The frame head, as far as it has arrived.
    head: [u8; HEAD_BYTES],
    head_len: usize,
    /// Bytes until the next frame head.
    skip: usize,
    /// Frames since the last turn ended.
    frames: u32,
    continuations: u32,
    resets: Bucket,
    pings: Bucket,
    settings: Bucket,
    empty_data: Bucket,
    /// WINDOW_UPDATE frames that there is a reason for, and that have not come.
    updates: u32,
    ignored: Bucket,
}

impl Guard {
    /// A guard for what a client sends: the preface comes first.
    #[must_use]
    pub fn for_client_bytes(now: Instant) -> Self {
        Self { skip: PREFACE_BYTES, ..Self::for_server_bytes(now) }
    }

    /// A guard for what a server sends.
    #[must_use]
    pub fn for_server_bytes(now: Instant) -> Self {
        Self {
            head: [0; HEAD_BYTES],
            head_len: 0,
            skip: 0,
            frames: 0,
            continuations: 0,
            resets: Bucket::new(limits::RESET_RATE, now),
            pings: Bucket::new(limits::PING_RATE, now),
            settings: Bucket::new(limits::SETTINGS_RATE, now),
            empty_data: Bucket::new(limits::EMPTY_DATA_RATE, now),
            updates: limits::WINDOW_UPDATES_AT_FIRST,
            ignored: Bucket::new(limits::IGNORED_FRAME_RATE, now),
        }
    }

    /// The peer was sent what it may answer with so many WINDOW_UPDATE frames ([`super::Left`]).
    pub fn expect_updates(&mut self, more: u32) {
        self.updates = self.updates.saturating_add(more).min(limits::WINDOW_UPDATES_MAX);
    }

    /// Looks at bytes that arrived, in order and in pieces of any size. Says after how many of them
    /// a turn's worth of frames is over ([`limits::FRAMES_PER_TURN`]), and after how many more the
    /// next; usually that is nowhere.
    ///
    /// # Errors
    /// The budget that is used up. The session should end with ENHANCE_YOUR_CALM.
    pub fn inspect(&mut self, mut bytes: &[u8], now: Instant) -> Result<Vec<usize>, Flood> {
        let (mut turns, mut left) = (Vec::new(), bytes.len());
        while !bytes.is_empty() {
            if self.frames == limits::FRAMES_PER_TURN {
                self.frames = 0;
                turns.push(left - bytes.len());
                left = bytes.len();
            }
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len());
                self.skip -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            let taken = (HEAD_BYTES - self.head_len).min(bytes.len());
            self.head[self.head_len..self.head_len + taken].copy_from_slice(&bytes[..taken]);
            self.head_len += taken;
            bytes = &bytes[taken..];
            if self.head_len == HEAD_BYTES {
                self.head_len = 0;
                self.frames += 1;
                self.frame(now)?;
            }
        }
        Ok(turns)
    }

    /// RFC 9113 §4.1: length 24 bits, type 8, flags 8.
    fn frame(&mut self, now: Instant) -> Result<(), Flood> {
        const END_STREAM: u8 = 0x1;
        let [high, middle, low, kind, flags, ..] = self.head;
        let length = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        self.skip = length;
        let within = match kind {
            0x0 if length == 0 && flags & END_STREAM == 0 => self.empty_data.take(now),
            0x0 => true,
            0x1 => {
                self.continuations = 0;
                self.expect_updates(limits::WINDOW_UPDATES_PER_STREAM);
                true
            }
            0x3 => self.resets.take(now),
            0x4 if length > limits::SETTINGS_ENTRIES_MAX * SETTING_BYTES => false,
            0x4 => self.settings.take(now),
            0x6 => self.pings.take(now),
            0x7 => true,
            0x8 => {
                let within = self.updates > 0;
                self.updates = self.updates.saturating_sub(1);
                within
            }
            0x9 => {
                self.continuations += 1;
                self.continuations <= limits::CONTINUATIONS_MAX
            }
            _ => self.ignored.take(now),
        };
        if within { Ok(()) } else { Err(flood_of(kind)) }
    }
}

fn flood_of(kind: u8) -> Flood {
    match kind {
        0x0 => Flood::EmptyData,
        0x3 => Flood::Resets,
        0x4 => Flood::Settings,
        0x6 => Flood::Pings,
        0x8 => Flood::WindowUpdates,
        0x9 => Flood::Continuations,
        _ => Flood::Ignored,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let mut bytes = vec![0, (payload >> 8) as u8, payload as u8, kind, flags, 0, 0, 0, 1];
        bytes.resize(HEAD_BYTES + payload, 0xff);
        bytes
    }

    fn frames_until_flood(kind: u8, payload: usize) -> (u32, Flood) {
        let now = Instant::now();
        let mut guard = Guard::for_server_bytes(now);
        let bytes = frame(kind, 0, payload);
        for count in 0..1_000_000 {
            if let Err(flood) = guard.inspect(&bytes, now) {
                return (count, flood);
            }
        }
        panic!("no flood was seen");
    }

    #[test]
    fn each_kind_has_its_own_budget() {
        for (kind, payload, rate, flood) in [
            (0x0, 0, limits::EMPTY_DATA_RATE, Flood::EmptyData),
            (0x3, 4, limits::RESET_RATE, Flood::Resets),
            (0x4, 0, limits::SETTINGS_RATE, Flood::Settings),
            (0x6, 8, limits::PING_RATE, Flood::Pings),
            (0x2, 5, limits::IGNORED_FRAME_RATE, Flood::Ignored),
            (0xbe, 5, limits::IGNORED_FRAME_RATE, Flood::Ignored),
        ] {
            assert_eq!(frames_until_flood(kind, payload), (rate.burst, flood));
        }
        let (count, flood) = frames_until_flood(0x8, 4);
        assert_eq!((count, flood), (limits::WINDOW_UPDATES_AT_FIRST, Flood::WindowUpdates));
        let (count, flood) = frames_until_flood(0x9, 1);
        assert_eq!((count, flood), (limits::CONTINUATIONS_MAX, Flood::Continuations));
    }

    #[test]
    fn windows_may_be_opened_as_often_as_there_are_streams_and_data_to_open_them_for() {
        let now = Instant::now();
        let update = frame(0x8, 0, 4);
        let accepted = |mut guard: Guard| {
            (0..1_000_000).take_while(|_| guard.inspect(&update, now).is_ok()).count() as u32
        };
        let mut guard = Guard::for_server_bytes(now);
        guard.inspect(&frame(0x1, 0x4, 50).repeat(10), now).unwrap();
        guard.expect_updates(1000);
        let expected = limits::WINDOW_UPDATES_AT_FIRST + 10 * limits::WINDOW_UPDATES_PER_STREAM;
        assert_eq!(accepted(guard), expected + 1000);
        let mut guard = Guard::for_client_bytes(now);
        guard.inspect(&[0; PREFACE_BYTES], now).unwrap();
        (0..3).for_each(|_| guard.expect_updates(u32::MAX));
        assert_eq!(accepted(guard), limits::WINDOW_UPDATES_MAX, "what is kept is bounded");
    }

    #[test]
    fn a_settings_frame_may_have_so_many_entries_and_no_more() {
        let now = Instant::now();
        let mut guard = Guard::for_server_bytes(now);
        let full = limits::SETTINGS_ENTRIES_MAX * SETTING_BYTES;
        assert_eq!(guard.inspect(&frame(0x4, 0, full), now), Ok(Vec::new()));
        let beyond = frame(0x4, 0, full + SETTING_BYTES);
        assert_eq!(guard.inspect(&beyond, now), Err(Flood::Settings));
    }

    #[test]
    fn turns_end_after_as_many_frames_however_they_arrive() {
        let now = Instant::now();
        let one = frame(0x0, 0, 1);
        let turn = limits::FRAMES_PER_TURN as usize * one.len();
        let bytes = one.repeat(limits::FRAMES_PER_TURN as usize * 5 / 2);
        for piece in [1, 9, 10, 11, turn - 1, turn, turn + 1, bytes.len()] {
            let mut guard = Guard::for_server_bytes(now);
            let mut ends = Vec::new();
            for (number, bytes) in bytes.chunks(piece).enumerate() {
                let mut at = number * piece;
                for length in guard.inspect(bytes, now).unwrap() {
                    at += length;
                    ends.push(at);
                }
            }
            // The end shows with the byte behind the head of a turn's last frame.
            let ends: Vec<usize> = ends.iter().map(|end| end.next_multiple_of(turn)).collect();
            assert_eq!(ends, [turn, 2 * turn], "in pieces of {piece}");
        }
    }

    #[test]
    fn budgets_refill_with_time() {
        let mut now = Instant::now();
        let mut guard = Guard::for_server_bytes(now);
        let ping = frame(0x6, 0, 8);
        for _ in 0..limits::PING_RATE.burst * 10 {
            now += Duration::from_secs_f64(1.01 / f64::from(limits::PING_RATE.per_second));
            guard.inspect(&ping, now).unwrap();
        }
    }

    #[test]
    fn pieces_of_any_size_are_seen_alike_and_payload_is_never_taken_for_a_head() {
        let now = Instant::now();
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        for _ in 0..limits::PING_RATE.burst {
            // The payload looks like one PING head after another.
            let mut data = frame(0x0, 0, 9 * 50);
            for head in data[9..].chunks_mut(9) {
                head.copy_from_slice(&[0, 0, 8, 0x6, 0, 0, 0, 0, 0]);
            }
            bytes.extend_from_slice(&data);
            bytes.extend_from_slice(&frame(0x6, 0, 8));
        }
        for piece in [1, 2, 8, 9, 10, 1000, bytes.len()] {
            let mut guard = Guard::for_client_bytes(now);
            for piece in bytes.chunks(piece) {
                guard.inspect(piece, now).unwrap();
            }
            assert_eq!(guard.inspect(&frame(0x6, 0, 8), now), Err(Flood::Pings));
        }
    }
}

//! What leaves a session, as far as a budget of its peer's depends on it: resets that the peer
//! makes us send (CVE-2025-8671), because its own frames do not show which of them the HTTP/2 crate
//! objects to; and DATA, because only who was sent some has windows to open.

use std::time::Instant;

use super::guard::{Bucket, Flood, PREFACE_BYTES};
use crate::limits;

/// A frame head and the error code of RST_STREAM (RFC 9113 §4.1, §6.4).
const RESET_BYTES: usize = 13;
const HEAD_BYTES: usize = 9;

/// Walks over the frames that are sent in one session.
#[derive(Debug)]
pub struct Outgoing {
    /// The frame head, and the payload of a RST_STREAM, as far as they have passed.
    start: [u8; RESET_BYTES],
    len: usize,
    /// Bytes until the next frame head.
    skip: usize,
    /// For what the peer provokes, unless it is trusted with that.
    resets: Option<Bucket>,
}

/// What some bytes that left were.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// Resets that the peer provoked.
    pub objections: u64,
    /// Whether those used up its budget.
    pub flood: Option<Flood>,
    /// So many more WINDOW_UPDATE frames may come back: for [`super::Guard::expect_updates`].
    pub updates: u32,
}

impl Outgoing {
    /// For what a proxy sends, with a full budget for its peer's provocations.
    #[must_use]
    pub fn of_proxy(now: Instant) -> Self {
        let resets = Some(Bucket::new(limits::PROVOKED_RESET_RATE, now));
        Self { start: [0; RESET_BYTES], len: 0, skip: 0, resets }
    }

    /// For what a connector sends: the preface comes first. A proxy is trusted with resets, it is
    /// one and the connector's own.
    #[must_use]
    pub fn of_connector() -> Self {
        Self { start: [0; RESET_BYTES], len: 0, skip: PREFACE_BYTES, resets: None }
    }

    /// Looks at bytes that leave, in order and in pieces of any size.
    pub fn inspect(&mut self, mut bytes: &[u8], now: Instant) -> Left {
        let mut left = Left::default();
        while !bytes.is_empty() {
            if self.skip > 0 {
                let skipped = self.skip.min(bytes.len());
                self.skip -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            let wanted = if self.is_reset() { RESET_BYTES } else { HEAD_BYTES };
            let taken = (wanted - self.len).min(bytes.len());
            self.start[self.len..self.len + taken].copy_from_slice(&bytes[..taken]);
            self.len += taken;
            bytes = &bytes[taken..];
            if self.len == RESET_BYTES {
                self.len = 0;
                self.reset(now, &mut left);
            } else if self.len == HEAD_BYTES && !self.is_reset() {
                self.len = 0;
                self.head(&mut left);
            }
        }
        left
    }

    fn reset(&mut self, now: Instant, left: &mut Left) {
        if let Some(resets) = &mut self.resets
            && is_objection(self.start[RESET_BYTES - 1])
        {
            left.objections += 1;
            if !resets.take(now) {
                left.flood = Some(Flood::ProvokedResets);
            }
        }
    }

    fn head(&mut self, left: &mut Left) {
        const DATA: u8 = 0x0;
        let [high, middle, low, kind, ..] = self.start;
        let length = u32::from(high) << 16 | u32::from(middle) << 8 | u32::from(low);
        self.skip = length as usize;
        if kind == DATA && length > 0 {
            let updates = 2 + length.div_ceil(limits::BYTES_PER_WINDOW_UPDATE);
            left.updates = left.updates.saturating_add(updates);
        }
    }

    /// Whether the head that has passed is that of a RST_STREAM.
    fn is_reset(&self) -> bool {
        const RST_STREAM: u8 = 0x3;
        self.len >= HEAD_BYTES && self.start[3] == RST_STREAM
    }
}

/// Whether an error code says that the peer did something wrong: PROTOCOL_ERROR,
/// FLOW_CONTROL_ERROR, STREAM_CLOSED, FRAME_SIZE_ERROR, REFUSED_STREAM (more streams than it was
/// told) and ENHANCE_YOUR_CALM, and not that a service's connection broke (CONNECT_ERROR).
fn is_objection(code: u8) -> bool {
    matches!(code, 0x1 | 0x3 | 0x5 | 0x6 | 0x7 | 0xb)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reset(code: u8) -> Vec<u8> {
        vec![0, 0, 4, 0x3, 0, 0, 0, 0, 1, 0, 0, 0, code]
    }

    #[test]
    fn objections_are_counted_in_pieces_of_any_size_and_aborts_of_a_service_are_not() {
        let now = Instant::now();
        let mut bytes = Vec::new();
        for _ in 0..10 {
            // DATA whose payload looks like a reset.
            bytes.extend([0, 0, 13, 0x0, 0, 0, 0, 0, 1]);
            bytes.extend(reset(0x1));
            bytes.extend(reset(0x3));
            bytes.extend(reset(0xa));
        }
        for piece in [1, 2, 8, 9, 10, 13, bytes.len()] {
            let mut watch = Outgoing::of_proxy(now);
            let seen = bytes.chunks(piece).map(|piece| watch.inspect(piece, now));
            let (objections, updates) =
                seen.fold((0, 0), |sum, left| (sum.0 + left.objections, sum.1 + left.updates));
            assert_eq!((objections, updates), (10, 10 * 3), "in pieces of {piece}");
        }
        let bytes = [&[0xff; PREFACE_BYTES], &bytes[..]].concat();
        let left = Outgoing::of_connector().inspect(&bytes, now);
        assert_eq!(left, Left { objections: 0, flood: None, updates: 10 * 3 });
    }

    #[test]
    fn a_burst_is_within_and_the_next_one_is_not() {
        let now = Instant::now();
        let mut watch = Outgoing::of_proxy(now);
        for _ in 0..limits::PROVOKED_RESET_RATE.burst {
            assert_eq!(watch.inspect(&reset(0x5), now).flood, None);
        }
        assert_eq!(watch.inspect(&reset(0x5), now).flood, Some(Flood::ProvokedResets));
    }

    #[test]
    fn data_of_any_size_may_be_answered_and_nothing_else() {
        let now = Instant::now();
        let frame = |kind: u8, payload: usize| {
            let mut bytes = vec![0, (payload >> 8) as u8, payload as u8, kind, 0, 0, 0, 0, 1];
            bytes.resize(HEAD_BYTES + payload, 0);
            bytes
        };
        for (kind, payload, updates) in
            [(0x0, 1, 3), (0x0, 1024, 3), (0x0, 16_384, 18), (0x0, 0, 0), (0x1, 50, 0), (0x6, 8, 0)]
        {
            let left = Outgoing::of_proxy(now).inspect(&frame(kind, payload), now);
            assert_eq!(left.updates, updates, "{kind:#x} of {payload}");
        }
    }
}

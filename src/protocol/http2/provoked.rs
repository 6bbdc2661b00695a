//! A budget for resets that a peer makes us send (CVE-2025-8671): counted on the frames that leave,
//! because the peer's own do not show which of them the HTTP/2 crate objects to.

use std::time::Instant;

use super::guard::{Bucket, Flood};
use crate::limits;

/// A frame head and the error code of RST_STREAM (RFC 9113 §4.1, §6.4).
const RESET_BYTES: usize = 13;
const HEAD_BYTES: usize = 9;

/// Walks over the frames that a proxy sends in one session.
#[derive(Debug)]
pub struct Provoked {
    /// The frame head, and the payload of a RST_STREAM, as far as they have passed.
    start: [u8; RESET_BYTES],
    len: usize,
    /// Bytes until the next frame head.
    skip: usize,
    resets: Bucket,
}

impl Provoked {
    /// A full budget.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        let resets = Bucket::new(limits::PROVOKED_RESET_RATE, now);
        Self { start: [0; RESET_BYTES], len: 0, skip: 0, resets }
    }

    /// Looks at bytes that leave, in order and in pieces of any size. Says how many resets among
    /// them the peer provoked, and whether that used up its budget.
    pub fn inspect(&mut self, mut bytes: &[u8], now: Instant) -> (u64, Result<(), Flood>) {
        let (mut provoked, mut within) = (0, Ok(()));
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
                if is_objection(self.start[RESET_BYTES - 1]) {
                    provoked += 1;
                    if !self.resets.take(now) {
                        within = Err(Flood::ProvokedResets);
                    }
                }
            } else if self.len == HEAD_BYTES && !self.is_reset() {
                self.len = 0;
                let [high, middle, low, ..] = self.start;
                self.skip = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
            }
        }
        (provoked, within)
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
            let mut watch = Provoked::new(now);
            let seen = bytes.chunks(piece).map(|piece| watch.inspect(piece, now).0);
            assert_eq!(seen.sum::<u64>(), 10, "in pieces of {piece}");
        }
    }

    #[test]
    fn a_burst_is_within_and_the_next_one_is_not() {
        let now = Instant::now();
        let mut watch = Provoked::new(now);
        for _ in 0..limits::PROVOKED_RESET_RATE.burst {
            assert_eq!(watch.inspect(&reset(0x5), now), (1, Ok(())));
        }
        assert_eq!(watch.inspect(&reset(0x5), now), (1, Err(Flood::ProvokedResets)));
    }
}

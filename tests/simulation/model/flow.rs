//! The shadow of one direction of one stream: what was sent, what arrived, how it ended.

use causeway::protocol::http2::StreamEnd;

use super::ledger::Entry;

/// How a reader saw its direction end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Clean,
    Failed(StreamEnd),
}

/// Why a direction may end otherwise than by its sender's finish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Reads fail after what arrived; writes lead nowhere.
    Reads,
    /// Writes fail at once as well, so that what arrived may not be looked at.
    Both,
}

#[derive(Debug, Default)]
pub(crate) struct Flow {
    key: u64,
    pub(crate) sent: u64,
    pub(crate) ended: bool,
    /// The sender gave the stream up.
    pub(crate) aborted: bool,
    /// It did so when all it had sent was written.
    pub(crate) aborted_after_all: bool,
    pub(crate) received: u64,
    pub(crate) released: u64,
    pub(crate) outcome: Option<Outcome>,
}

impl Flow {
    pub(crate) fn new(strand: usize, side: usize) -> Self {
        Self { key: (strand * 2 + side) as u64 * 0x9e37, ..Self::default() }
    }

    fn byte(&self, position: u64) -> u8 {
        (position.wrapping_add(self.key).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u8
    }

    /// The next bytes to send.
    pub(crate) fn next_bytes(&self, bytes: usize) -> Vec<u8> {
        (self.sent..self.sent + bytes as u64).map(|position| self.byte(position)).collect()
    }

    /// Bytes arrived.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> Result<(), String> {
        for (position, byte) in (self.received..).zip(bytes) {
            if *byte != self.byte(position) {
                return Err(format!("byte {position} is not what was sent"));
            }
        }
        self.received += bytes.len() as u64;
        if self.received > self.sent {
            return Err(format!("{} bytes of {} arrived", self.received, self.sent));
        }
        Ok(())
    }

    /// The reader saw the end.
    pub(crate) fn end(
        &mut self,
        outcome: Outcome,
        entry: &Entry,
        cut: Option<Cut>,
    ) -> Result<(), String> {
        self.outcome = Some(outcome);
        let (received, sent, delivered) = (self.received, self.sent, entry.delivered);
        if outcome == Outcome::Clean {
            return match self.ended && received == sent {
                true => Ok(()),
                false => Err(format!("a clean end after {received} of {sent} bytes")),
            };
        }
        if cut.is_none() && !self.aborted {
            return Err(format!("{outcome:?}, but nobody gave up"));
        }
        if cut.is_none() && outcome != Outcome::Failed(StreamEnd::Aborted) {
            return Err(format!("{outcome:?}, but the tunnel is well"));
        }
        if cut != Some(Cut::Both) && received != delivered {
            return Err(format!("{received} of {delivered} bytes seen before the abort"));
        }
        if cut.is_none() && self.aborted_after_all && received != sent {
            return Err(format!("{received} of {sent} bytes seen, all were to precede the abort"));
        }
        // A cut takes the whole stream, also a direction whose end was not read yet.
        if cut.is_none() && entry.end_delivered {
            return Err("a finished direction failed".to_owned());
        }
        Ok(())
    }
}

//! One direction of the connection between the sessions.

use std::{
    collections::VecDeque,
    io,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use causeway::protocol::http2::{Guard, Outgoing, Wire};

use super::{
    alarm::{Alarm, waker},
    choices::Choices,
    frames::{Frame, Walker},
};

/// Bytes on the way beyond which nothing more is taken from the sender.
const UNDERWAY_BYTES_MAX: usize = 300_000;

pub(crate) struct Pipe {
    underway: VecDeque<(u64, Bytes)>,
    underway_bytes: usize,
    last_due: u64,
    delay_max: usize,
    piece_max: usize,
    emitted: Walker,
    delivered: Walker,
    outgoing: Outgoing,
    /// WINDOW_UPDATE frames that the other way may carry for what left.
    updates: u32,
    guard: Guard,
    began: Instant,
    /// The sender has finished; then, the receiver was told.
    ended: Option<bool>,
    is_cut: bool,
}

impl Pipe {
    pub(crate) fn new(from_client: bool, choices: &mut Choices) -> Self {
        let began = Instant::now();
        let (guard, outgoing) = match from_client {
            true => (Guard::for_client_bytes(began), Outgoing::of_connector()),
            false => (Guard::for_server_bytes(began), Outgoing::of_proxy(began)),
        };
        Self {
            underway: VecDeque::new(),
            underway_bytes: 0,
            last_due: 0,
            delay_max: [0, 1, 5, 20][choices.below(4)],
            piece_max: [30, 1_000, 20_000, 300_000][choices.below(4)],
            emitted: Walker::new(from_client),
            delivered: Walker::new(from_client),
            outgoing,
            updates: 0,
            guard,
            began,
            ended: None,
            is_cut: false,
        }
    }

    /// Takes what the sender has staged. The frames that left it.
    pub(crate) fn load(
        &mut self,
        wire: &Wire<Bytes>,
        (tick, choices): (u64, &mut Choices),
    ) -> Vec<Frame> {
        if self.ended.is_some() || self.underway_bytes > UNDERWAY_BYTES_MAX {
            return Vec::new();
        }
        // The pipe looks again at every tick and needs no waker.
        let alarm = Alarm::rung();
        let waker = waker(&alarm);
        let mut bytes = match wire.poll_output(&mut Context::from_waker(&waker)) {
            Poll::Ready(Some(bytes)) => bytes.freeze(),
            Poll::Ready(None) => {
                self.ended = Some(false);
                return Vec::new();
            }
            Poll::Pending => return Vec::new(),
        };
        if self.is_cut {
            return Vec::new();
        }
        let frames = self.emitted.pass(&bytes);
        let now = self.began + Duration::from_millis(tick);
        self.updates += self.outgoing.inspect(&bytes, now).updates;
        while !bytes.is_empty() {
            // Many tiny pieces for a while, then the rest at once: a run must end.
            let tiny = self.piece_max < 1_000 && self.underway.len() > 40;
            let most = if tiny { bytes.len() } else { self.piece_max };
            let piece = bytes.split_to(choices.between(1, most).min(bytes.len()));
            let due = tick + choices.below(self.delay_max + 1) as u64;
            self.last_due = self.last_due.max(due);
            self.underway_bytes += piece.len();
            self.underway.push_back((self.last_due, piece));
        }
        frames
    }

    /// The WINDOW_UPDATE frames that what has left allows, once.
    pub(crate) fn take_updates(&mut self) -> u32 {
        std::mem::take(&mut self.updates)
    }

    /// The other way has carried what allows so many WINDOW_UPDATE frames.
    pub(crate) fn expect_updates(&mut self, more: u32) {
        self.guard.expect_updates(more);
    }

    /// Hands over what is due. The frames that arrived.
    pub(crate) fn unload(&mut self, wire: &Wire<Bytes>, tick: u64) -> Result<Vec<Frame>, String> {
        let mut frames = Vec::new();
        while self.underway.front().is_some_and(|(due, _)| *due <= tick) {
            let Some((_, piece)) = self.underway.pop_front() else { break };
            self.underway_bytes -= piece.len();
            let now = self.began + Duration::from_millis(tick);
            self.guard.inspect(&piece, now).map_err(|flood| flood.reason().to_owned())?;
            frames.extend(self.delivered.pass(&piece));
            wire.deliver(piece);
        }
        if self.ended == Some(false) && self.underway.is_empty() && !self.is_cut {
            self.ended = Some(true);
            wire.end(Ok(()));
        }
        Ok(frames)
    }

    /// Breaks: some of what is under way still arrives, the rest never.
    pub(crate) fn cut(&mut self, wire: &Wire<Bytes>, choices: &mut Choices) -> Vec<Frame> {
        self.is_cut = true;
        let mut frames = Vec::new();
        for _ in 0..choices.below(self.underway.len() + 1) {
            let Some((_, piece)) = self.underway.pop_front() else { break };
            frames.extend(self.delivered.pass(&piece));
            wire.deliver(piece);
        }
        self.underway.clear();
        self.underway_bytes = 0;
        let kinds = [io::ErrorKind::ConnectionReset, io::ErrorKind::UnexpectedEof];
        wire.end(Err(kinds[choices.below(2)]));
        frames
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.underway.is_empty()
    }
}

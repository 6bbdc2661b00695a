//! The window of a stream against a link: bandwidth, delay and the tunnel's vital signs, in
//! virtual time.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use causeway::{limits, tunnel::Vitals};

const TICK: Duration = Duration::from_millis(1);
const FRAME_HEAD_BYTES: usize = 9;

/// A link and what shares it.
#[derive(Clone, Copy)]
pub(crate) struct Link {
    pub(crate) bits_per_second: u64,
    pub(crate) round_trip: Duration,
    pub(crate) streams: usize,
}

/// What is on its way to the receiver, or back to the sender.
enum Signal {
    Data { stream: usize, bytes: u64 },
    Pong,
    Ping,
    Credit { stream: usize, bytes: u64 },
    Window(u32),
}

/// A sender that always has data, a receiver that lets go of everything at once.
struct Model {
    link: Link,
    vitals: Vitals,
    now: Instant,
    there: VecDeque<(Instant, Signal)>,
    back: VecDeque<(Instant, Signal)>,
    /// What the sender may send of each stream; below zero after a window shrank.
    credit: Vec<i64>,
    window: u32,
    /// Received and not yet given back as credit, of each stream.
    owed: Vec<u64>,
    pongs_to_send: usize,
    next: usize,
    received: u64,
}

/// Megabits per second that arrive in each second of `seconds`.
pub(crate) fn throughput(link: Link, seconds: u64) -> Vec<u64> {
    let streams = link.streams;
    let now = Instant::now();
    let window = limits::STREAM_WINDOW_BYTES_MIN;
    let mut model = Model {
        link,
        vitals: Vitals::new(now),
        now,
        there: VecDeque::new(),
        back: VecDeque::new(),
        credit: vec![window.into(); streams],
        window,
        owed: vec![0; streams],
        pongs_to_send: 0,
        next: 0,
        received: 0,
    };
    let ticks = (Duration::from_secs(1).as_nanos() / TICK.as_nanos()) as u64;
    (0..seconds)
        .map(|_| {
            model.received = 0;
            for _ in 0..ticks {
                model.tick();
            }
            model.received * 8 / 1_000_000
        })
        .collect()
}

impl Model {
    fn tick(&mut self) {
        self.now += TICK;
        while self.back.front().is_some_and(|(due, _)| *due <= self.now) {
            match self.back.pop_front() {
                Some((_, Signal::Credit { stream, bytes })) => self.credit[stream] += bytes as i64,
                Some((_, Signal::Window(window))) => {
                    let change = i64::from(window) - i64::from(self.window);
                    self.credit.iter_mut().for_each(|credit| *credit += change);
                    self.window = window;
                }
                Some((_, Signal::Ping)) => self.pongs_to_send += 1,
                _ => {}
            }
        }
        self.send();
        while self.there.front().is_some_and(|(due, _)| *due <= self.now) {
            match self.there.pop_front() {
                Some((_, Signal::Data { stream, bytes })) => self.receive(stream, bytes),
                Some((_, Signal::Pong)) => {
                    if let Some(window) = self.vitals.ponged(self.now) {
                        self.answer(Signal::Window(window));
                    }
                }
                _ => {}
            }
        }
        let _ = self.vitals.tick(self.now);
    }

    /// As much as the link takes in a tick; answers to PINGs go first.
    fn send(&mut self) {
        let due = self.now + self.link.round_trip / 2;
        for _ in 0..std::mem::take(&mut self.pongs_to_send) {
            self.there.push_back((due, Signal::Pong));
        }
        let mut room = self.link.bits_per_second / 8 * TICK.as_micros() as u64 / 1_000_000;
        let mut idle = 0;
        while room > 0 && idle < self.credit.len() {
            let stream = self.next;
            self.next = (self.next + 1) % self.credit.len();
            let bytes = self.credit[stream].max(0) as u64;
            let bytes = bytes.min(room).min(limits::FRAME_PAYLOAD_BYTES as u64);
            if bytes == 0 {
                idle += 1;
                continue;
            }
            idle = 0;
            room -= bytes;
            self.credit[stream] -= bytes as i64;
            self.there.push_back((due, Signal::Data { stream, bytes }));
        }
    }

    fn receive(&mut self, stream: usize, bytes: u64) {
        self.received += bytes;
        if self.vitals.received(bytes as usize + FRAME_HEAD_BYTES, self.now) {
            self.vitals.pinged(self.now);
            self.answer(Signal::Ping);
        }
        // Credit goes back by the half of what is left, as the session below does it.
        self.owed[stream] += bytes;
        let window = u64::from(self.vitals.window_bytes());
        if self.owed[stream] * 3 >= window {
            let bytes = std::mem::take(&mut self.owed[stream]);
            self.answer(Signal::Credit { stream, bytes });
        }
    }

    fn answer(&mut self, signal: Signal) {
        self.back.push_back((self.now + self.link.round_trip / 2, signal));
    }
}

//! The two sessions, the pipe and the shadow, and how time passes.

use std::collections::{HashMap, VecDeque};

use causeway::protocol::{
    Request,
    http2::{self, Windows, client},
};

use super::{
    choices::Choices,
    chunk::Chunk,
    core::{Core, Event},
    flow::Cut,
    frames::{Frame, What},
    ledger::Ledger,
    pipe::Pipe,
    strand::{Arrival, CLIENT, Facts, SERVER, Strand, Verdict},
    tally::Tally,
    tap::Tap,
};

/// Lines of what happened that a failure shows.
const TRACE_LINES: usize = 40;

pub(crate) struct World {
    pub(crate) choices: Choices,
    pub(crate) tick: u64,
    pub(crate) cores: [Core; 2],
    pipes: [Pipe; 2],
    /// Of the data each side sends.
    pub(crate) ledgers: [Ledger; 2],
    pub(crate) strands: Vec<Strand>,
    by_id: HashMap<u32, usize>,
    pub(crate) requests: Option<client::SendRequest<Chunk>>,
    pub(crate) cut: Option<Cut>,
    pub(crate) draining: bool,
    /// Sides whose announced windows were acknowledged, and whose session has not looked yet.
    acknowledged: [bool; 2],
    /// Whether readers are poked when windows change, without which a smaller one may hang.
    pub(crate) pokes: bool,
    /// Nothing is put off any more.
    pub(crate) settling: bool,
    pub(crate) tally: Tally,
    trace: VecDeque<String>,
}

impl World {
    pub(crate) fn new(mut choices: Choices) -> Self {
        let mut windows = || Windows {
            stream: [1_000, 20_000, 65_535, 200_000][choices.below(4)],
            connection: choices.between(65_535, 300_000) as u32,
        };
        let (of_client, of_server) = (windows(), windows());
        let streams_max = choices.between(3, 40) as u32;
        Self {
            tick: 0,
            cores: [Core::client(of_client), Core::server(of_server, streams_max)],
            pipes: [Pipe::new(true, &mut choices), Pipe::new(false, &mut choices)],
            ledgers: [of_server, of_client].map(|windows| Ledger::new(windows.connection.into())),
            strands: Vec::new(),
            by_id: HashMap::new(),
            requests: None,
            cut: None,
            draining: false,
            acknowledged: [false; 2],
            pokes: true,
            settling: false,
            tally: Tally { runs: 1, ..Tally::default() },
            trace: VecDeque::new(),
            choices,
        }
    }

    pub(crate) fn note(&mut self, line: String) {
        if self.trace.len() == TRACE_LINES {
            self.trace.pop_front();
        }
        self.trace.push_back(format!("{:>6}  {line}", self.tick));
    }

    pub(crate) fn story(&self) -> String {
        let ledgers = self.ledgers.each_ref().map(ToString::to_string).join("\n");
        format!("{}\n{ledgers}", Vec::from_iter(self.trace.iter().cloned()).join("\n"))
    }

    /// One unit of time.
    pub(crate) fn step(&mut self) -> Result<(), String> {
        self.tick += 1;
        for side in [CLIENT, SERVER] {
            let from = &self.cores[side].wire;
            let emitted = self.pipes[side].load(from, (self.tick, &mut self.choices));
            self.account(side, &emitted, true)?;
            let updates = self.pipes[side].take_updates();
            self.pipes[1 - side].expect_updates(updates);
            let delivered = self.pipes[side].unload(&self.cores[1 - side].wire, self.tick)?;
            self.account(side, &delivered, false)?;
        }
        for side in [CLIENT, SERVER] {
            if self.choices.chance(80) && self.cores[side].alarm.answer() {
                while let Some(event) = self.cores[side].poll() {
                    self.heed(side, event)?;
                }
                if std::mem::take(&mut self.acknowledged[side]) && self.pokes {
                    for strand in &mut self.strands {
                        strand.taps[side].iter_mut().for_each(Tap::poke);
                    }
                }
            }
        }
        self.strands()?;
        self.check()
    }

    fn strands(&mut self) -> Result<(), String> {
        let facts = Facts {
            tick: if self.settling { u64::MAX } else { self.tick },
            cut: self.cut,
            draining: self.draining,
            ledgers: &self.ledgers,
        };
        for (index, strand) in self.strands.iter_mut().enumerate() {
            strand
                .step(&facts, (&mut self.choices, &mut self.tally))
                .map_err(|problem| format!("stream s{index} (id {}): {problem}", strand.id))?;
            if strand.id > 0 {
                self.by_id.insert(strand.id, index);
            }
        }
        Ok(())
    }

    /// Notes frames of `side` that left it, or that reached the other.
    fn account(&mut self, side: usize, frames: &[Frame], left: bool) -> Result<(), String> {
        for frame in frames {
            if left {
                self.ledgers[side].sender_emitted(frame)?;
                self.ledgers[1 - side].receiver_emitted(frame);
            } else {
                self.ledgers[side].receiver_got(frame);
                self.ledgers[1 - side].sender_got(frame);
                self.acknowledged[1 - side] |= matches!(frame.what, What::SettingsAck);
            }
            let weight = match frame.what {
                What::Data { bytes, ends } => bytes * 2 + u64::from(ends),
                What::Credit { bytes } => bytes * 3,
                What::GoAway { code } if code != 0 && self.cut.is_none() => {
                    return Err(format!("side {side} says goodbye with code {code}"));
                }
                _ => 1,
            };
            let mixed = self.tally.digest ^ weight ^ u64::from(frame.stream) << 32 ^ self.tick;
            self.tally.digest = mixed.wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }

    fn heed(&mut self, side: usize, event: Event) -> Result<(), String> {
        match event {
            Event::Up(requests) => self.requests = Some(requests),
            Event::Arrived(asked, answer) => {
                let Ok(Request::Connect(connect)) = http2::parse_request(&asked) else {
                    return Err("a request is not understood".to_owned());
                };
                let index = connect.target.service[1..].parse::<usize>();
                let index = index.map_err(|error| error.to_string())?;
                let verdict = match self.choices.below(100) {
                    0..85 => Verdict::Establish,
                    85..96 => Verdict::Refuse,
                    _ => Verdict::Forget,
                };
                let verdict = if self.settling { Verdict::Establish } else { verdict };
                let due = self.tick + self.choices.below(10) as u64;
                let body = asked.into_body();
                self.strands[index].arrive(Arrival { body, answer, verdict, due })?;
            }
            Event::Ended(problem) => {
                self.note(format!("side {side} is over: {problem:?}"));
                if self.cut.is_none() && (problem.is_some() || !self.may_end()) {
                    return Err(format!("side {side} ended: {problem:?}"));
                }
            }
        }
        Ok(())
    }

    /// Sessions end by themselves when no more streams are to come and none is left.
    fn may_end(&self) -> bool {
        self.draining || self.requests.is_none()
    }

    fn check(&self) -> Result<(), String> {
        if self.cut.is_some() {
            return Ok(());
        }
        for side in [CLIENT, SERVER] {
            self.ledgers[side]
                .check(|stream| {
                    let strand = &self.strands[*self.by_id.get(&stream)?];
                    let open = strand.taps[1 - side].as_ref().is_some_and(|tap| tap.is_open());
                    open.then(|| strand.flows[side].released)
                })
                .map_err(|problem| format!("credit for side {side}: {problem}"))?;
        }
        Ok(())
    }

    /// Breaks the connection.
    pub(crate) fn sever(&mut self, how: Cut) -> Result<(), String> {
        self.cut = Some(how);
        for side in [CLIENT, SERVER] {
            let to = &self.cores[1 - side].wire;
            let delivered = self.pipes[side].cut(to, &mut self.choices);
            self.account(side, &delivered, false)?;
            if how == Cut::Both {
                self.cores[side].wire.close_outbound();
            }
        }
        Ok(())
    }

    /// Whether nobody has anything to do.
    pub(crate) fn is_quiet(&self) -> bool {
        let cores = self
            .cores
            .iter()
            .any(|core| !core.is_over() && core.alarm.is_rung() || core.wire.staged_bytes() > 0);
        let pipes = self.pipes.iter().all(Pipe::is_empty);
        !cores && pipes && !self.strands.iter().any(Strand::is_awake)
    }
}

//! One stream of the model, both of its ends and both of its directions.

use causeway::protocol::{
    Refusal,
    http2::{self, Error, RecvStream, server},
};

use super::{
    choices::Choices,
    chunk::Chunk,
    flow::{Cut, Flow},
    ledger::Ledger,
    open::{Opened, Opening},
    tally::Tally,
    tap::Tap,
};

pub(crate) const CLIENT: usize = 0;
pub(crate) const SERVER: usize = 1;

/// What the server makes of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Establish,
    Refuse,
    /// Never answers: the task that would have is gone.
    Forget,
}

/// A request the server has not answered.
pub(crate) struct Arrival {
    pub(crate) body: RecvStream,
    pub(crate) answer: server::SendResponse<Chunk>,
    pub(crate) verdict: Verdict,
    pub(crate) due: u64,
}

/// What all strands must know.
pub(crate) struct Facts<'w> {
    pub(crate) tick: u64,
    pub(crate) cut: Option<Cut>,
    pub(crate) draining: bool,
    pub(crate) ledgers: &'w [Ledger; 2],
}

pub(crate) struct Strand {
    /// Zero until it is sent.
    pub(crate) id: u32,
    opening: Option<Opening>,
    arrival: Option<Arrival>,
    pub(crate) taps: [Option<Tap>; 2],
    pub(crate) flows: [Flow; 2],
    has_arrived: bool,
    was_retryable: bool,
    verdict: Option<Verdict>,
}

impl Strand {
    pub(crate) fn new(opening: Opening, index: usize) -> Self {
        Self {
            id: 0,
            opening: Some(opening),
            arrival: None,
            taps: [None, None],
            flows: [Flow::new(index, CLIENT), Flow::new(index, SERVER)],
            has_arrived: false,
            was_retryable: false,
            verdict: None,
        }
    }

    pub(crate) fn is_opening(&self) -> bool {
        self.opening.is_some()
    }

    pub(crate) fn is_over(&self) -> bool {
        let open = self.taps.iter().flatten().any(Tap::is_open);
        self.opening.is_none() && self.arrival.is_none() && !open
    }

    pub(crate) fn is_awake(&self) -> bool {
        let taps = self.taps.iter().flatten().any(|tap| tap.is_open() && tap.alarm.is_rung());
        let opening = self.opening.as_ref().is_some_and(|opening| opening.alarm.is_rung());
        taps || opening || self.arrival.is_some()
    }

    /// The client loses interest while it waits.
    pub(crate) fn give_up(&mut self) {
        self.opening = None;
        self.flows[CLIENT].aborted = true;
    }

    pub(crate) fn arrive(&mut self, arrival: Arrival) -> Result<(), String> {
        if self.was_retryable {
            return Err("a stream arrived that its client was told to send again".to_owned());
        }
        self.has_arrived = true;
        self.arrival = Some(arrival);
        Ok(())
    }

    pub(crate) fn step(
        &mut self,
        facts: &Facts<'_>,
        (choices, tally): (&mut Choices, &mut Tally),
    ) -> Result<(), String> {
        self.open(facts, tally)?;
        self.decide(facts);
        for side in [CLIENT, SERVER] {
            let Some(tap) = &mut self.taps[side] else { continue };
            if !tap.alarm.answer() {
                continue;
            }
            let [up, down] = &mut self.flows;
            let flows = if side == CLIENT { (up, down) } else { (down, up) };
            let entry = facts.ledgers[1 - side].entry(self.id);
            tap.step(flows, (&entry, facts.cut), choices)
                .map_err(|problem| format!("side {side}: {problem}"))?;
        }
        Ok(())
    }

    fn open(&mut self, facts: &Facts<'_>, tally: &mut Tally) -> Result<(), String> {
        let Some(opening) = self.opening.take() else { return Ok(()) };
        if !opening.alarm.answer() {
            self.opening = Some(opening);
            return Ok(());
        }
        let opened;
        (self.opening, opened) = opening.step();
        match opened {
            None => Ok(()),
            Some(Opened::Asked(id)) => {
                self.id = id;
                Ok(())
            }
            Some(Opened::Yes(tap)) => {
                tally.established += 1;
                self.taps[CLIENT] = Some(tap);
                match self.verdict {
                    Some(Verdict::Establish) => Ok(()),
                    _ => Err("200, but the server did not say so".to_owned()),
                }
            }
            Some(Opened::No(status)) => {
                tally.refused += 1;
                self.flows[CLIENT].aborted = true;
                match (self.verdict, status) {
                    (Some(Verdict::Refuse), 404) => Ok(()),
                    _ => Err(format!("{status}, but the server did not say so")),
                }
            }
            Some(Opened::Failed(error)) => {
                self.flows[CLIENT].aborted = true;
                self.failed(&error, facts, tally)
            }
        }
    }

    fn failed(
        &mut self,
        error: &Error,
        facts: &Facts<'_>,
        tally: &mut Tally,
    ) -> Result<(), String> {
        self.was_retryable = http2::is_retryable(error);
        tally.retryable += u64::from(self.was_retryable);
        if self.was_retryable && self.has_arrived {
            return Err("the client is to send again what the server has seen".to_owned());
        }
        let server_left = self.flows[SERVER].aborted || self.verdict == Some(Verdict::Forget);
        if facts.cut.is_some() || server_left || self.was_retryable {
            return Ok(());
        }
        match facts.draining {
            true => Err(format!("refused by a drain, but not to be sent again: {error}")),
            false => Err(format!("not opened: {error}")),
        }
    }

    fn decide(&mut self, facts: &Facts<'_>) {
        let Some(arrival) = self.arrival.take_if(|arrival| arrival.due <= facts.tick) else {
            return;
        };
        let Arrival { body, mut answer, verdict, .. } = arrival;
        self.verdict = Some(verdict);
        match verdict {
            Verdict::Establish => {
                // Fails when nobody waits for it any more.
                match answer.send_response(http2::answer_established(), false) {
                    Ok(sender) => self.taps[SERVER] = Some(Tap::new(body, sender)),
                    Err(_) => self.flows[SERVER].aborted = true,
                }
            }
            Verdict::Refuse => {
                let refusal = http2::answer_refusal(&Refusal::NoSuchMapping);
                let _ = answer.send_response(refusal, true);
            }
            Verdict::Forget => self.flows[SERVER].aborted = true,
        }
    }
}

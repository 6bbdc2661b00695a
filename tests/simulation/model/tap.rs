//! One end of an established stream: a reader and a writer of moods.

use std::{
    collections::VecDeque,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

use causeway::protocol::http2::{Reason, RecvStream, SendStream, end_of};

use super::{
    alarm::{Alarm, waker},
    choices::Choices,
    chunk::{Chunk, Slots},
    flow::{Cut, Flow, Outcome},
    ledger::Entry,
};

/// How an end gives its stream up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leave {
    AtOnce,
    /// When all that was sent is written, so that the reset does not overtake it.
    AfterAll,
}

/// What a reader does instead of reading.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Reads,
    /// Takes what comes and lets go of nothing.
    Hoards,
    /// Does not even look.
    Sleeps,
}

pub(crate) struct Tap {
    handles: Option<(RecvStream, SendStream<Chunk>)>,
    slots: Rc<Slots>,
    pub(crate) alarm: Arc<Alarm>,
    /// Sizes of the chunks to send.
    queue: VecDeque<usize>,
    wants_end: bool,
    leave: Option<Leave>,
    mood: Mood,
    /// Read and not let go of.
    held: u64,
    /// Lets go of all it holds at once, not of parts.
    generous: bool,
    write_failed: bool,
}

impl Tap {
    pub(crate) fn new(reader: RecvStream, writer: SendStream<Chunk>) -> Self {
        let alarm = Alarm::rung();
        Self {
            handles: Some((reader, writer)),
            slots: Slots::new(alarm.clone()),
            alarm,
            queue: VecDeque::new(),
            wants_end: false,
            leave: None,
            mood: Mood::Reads,
            held: 0,
            generous: false,
            write_failed: false,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.handles.is_some()
    }

    pub(crate) fn send(&mut self, bytes: usize) {
        if !self.wants_end {
            self.queue.push_back(bytes);
            self.alarm.ring();
        }
    }

    pub(crate) fn finish(&mut self) {
        self.wants_end = true;
        self.alarm.ring();
    }

    pub(crate) fn leave(&mut self, how: Leave) {
        self.leave.get_or_insert(how);
        self.queue.clear();
        self.alarm.ring();
    }

    pub(crate) fn set_mood(&mut self, mood: Mood) {
        self.mood = mood;
        self.alarm.ring();
    }

    /// Stream windows shrank. The session looks at what it owes a stream only when something of
    /// it is let go, and letting go of nothing is enough.
    pub(crate) fn poke(&mut self) {
        if let Some((reader, _)) = &mut self.handles {
            let _ = reader.flow_control().release_capacity(0);
        }
    }

    /// Reads, and lets go of all it holds in one piece.
    pub(crate) fn let_go_of_all(&mut self) {
        self.generous = true;
        self.set_mood(Mood::Reads);
    }

    /// Reads and finishes, whatever it did before.
    pub(crate) fn urge(&mut self) {
        if self.is_open() && !(self.wants_end && self.mood == Mood::Reads) {
            self.finish();
            self.set_mood(Mood::Reads);
        }
    }

    /// Goes on as far as the session below lets it. `mine` is what it sends, `theirs` what it
    /// reads, of which `entry` says what has arrived.
    pub(crate) fn step(
        &mut self,
        (mine, theirs): (&mut Flow, &mut Flow),
        (entry, cut): (&Entry, Option<Cut>),
        choices: &mut Choices,
    ) -> Result<(), String> {
        let Some((mut reader, mut writer)) = self.handles.take() else { return Ok(()) };
        let may_leave = self.leave != Some(Leave::AfterAll) || self.slots.all_free();
        if let Some(how) = self.leave.filter(|_| may_leave) {
            mine.aborted = true;
            mine.aborted_after_all = how == Leave::AfterAll;
            writer.send_reset(Reason::CONNECT_ERROR);
            return Ok(());
        }
        self.read(&mut reader, theirs, (entry, cut), choices)?;
        self.let_go(&mut reader, theirs, choices);
        self.write(&mut writer, mine);
        self.watch(&mut writer, mine, theirs);
        if self.write_failed && !theirs.aborted && cut.is_none() {
            return Err("a write failed, but nobody gave up".to_owned());
        }
        if matches!(theirs.outcome, Some(Outcome::Failed(_))) && !mine.ended {
            mine.aborted = true;
            writer.send_reset(Reason::CONNECT_ERROR);
            return Ok(());
        }
        if theirs.outcome.is_none() || !(mine.ended || self.write_failed) {
            self.handles = Some((reader, writer));
        }
        Ok(())
    }

    fn read(
        &mut self,
        reader: &mut RecvStream,
        theirs: &mut Flow,
        (entry, cut): (&Entry, Option<Cut>),
        choices: &mut Choices,
    ) -> Result<(), String> {
        if self.mood == Mood::Sleeps || theirs.outcome.is_some() {
            return Ok(());
        }
        let waker = waker(&self.alarm);
        let mut cx = Context::from_waker(&waker);
        for _ in 0..choices.between(1, 6) {
            let outcome = match reader.poll_data(&mut cx) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Some(Ok(bytes))) => {
                    theirs.receive(&bytes)?;
                    self.held += bytes.len() as u64;
                    continue;
                }
                Poll::Ready(Some(Err(error))) => Outcome::Failed(end_of(&error)),
                Poll::Ready(None) => Outcome::Clean,
            };
            return theirs.end(outcome, entry, cut);
        }
        self.alarm.ring();
        Ok(())
    }

    fn let_go(&mut self, reader: &mut RecvStream, theirs: &mut Flow, choices: &mut Choices) {
        if self.mood != Mood::Reads || self.held == 0 {
            return;
        }
        let part = choices.between(1, self.held as usize);
        let bytes = if self.generous || choices.chance(60) { self.held as usize } else { part };
        // Fails only for a stream that is gone, and then there is no credit to return.
        let _ = reader.flow_control().release_capacity(bytes);
        self.held -= bytes as u64;
        theirs.released += bytes as u64;
        if self.held > 0 {
            self.alarm.ring();
        }
    }

    fn write(&mut self, writer: &mut SendStream<Chunk>, mine: &mut Flow) {
        if mine.ended || self.write_failed {
            return;
        }
        while self.slots.has_free()
            && let Some(bytes) = self.queue.pop_front()
        {
            let chunk = Chunk::new(mine.next_bytes(bytes), &self.slots);
            match writer.send_data(chunk, false) {
                Ok(()) => mine.sent += bytes as u64,
                Err(_) => self.write_failed = true,
            }
        }
        if self.queue.is_empty() && self.wants_end && self.leave.is_none() {
            match writer.send_data(Chunk::empty(), true) {
                Ok(()) => mine.ended = true,
                Err(_) => self.write_failed = true,
            }
        }
    }

    /// When there is nothing more to read, only the session can say that nobody listens.
    fn watch(&mut self, writer: &mut SendStream<Chunk>, mine: &Flow, theirs: &Flow) {
        if theirs.outcome == Some(Outcome::Clean) && !mine.ended && !self.write_failed {
            let waker = waker(&self.alarm);
            self.write_failed = writer.poll_reset(&mut Context::from_waker(&waker)).is_ready();
        }
    }
}

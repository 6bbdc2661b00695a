//! The thread that writes records.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Instant, SystemTime},
};

use crossbeam_channel::{Receiver, RecvTimeoutError, select};

use super::{
    Event,
    handle::{Order, Tally},
    line::{self, Origin},
    sink::{Pending, Sink},
};
use crate::{
    limits,
    telemetry::{Repeats, Verdict},
};

/// Makes lines of events and writes them.
#[derive(Debug)]
pub(super) struct Writer {
    origin: Origin,
    sink: Sink,
    tally: Arc<Tally>,
    pending: Pending,
    /// Records in `pending`.
    records: u64,
    seq: u64,
    repeats: Repeats,
    /// Why the last attempts failed, until a gap record has told it.
    problem: Option<String>,
    /// A rotation that failed is not tried again with every record.
    rotates: bool,
}

impl Writer {
    pub(super) fn new(origin: Origin, sink: Sink, tally: Arc<Tally>) -> Self {
        let repeats = Repeats::new(limits::AUDIT_REPEATS_MAX, limits::AUDIT_REPEATS_INTERVAL);
        Self {
            origin,
            sink,
            tally,
            pending: Pending::default(),
            records: 0,
            seq: 0,
            repeats,
            problem: None,
            rotates: true,
        }
    }

    /// Writes until it is told to end.
    pub(super) fn run(mut self, inbox: &Receiver<(SystemTime, Event)>, ordered: &Receiver<Order>) {
        loop {
            let order = if self.pending.is_empty() {
                self.take(inbox, ordered)
            } else {
                // What could not be written is tried again; what is new waits in the queue.
                match ordered.recv_timeout(limits::AUDIT_RETRY) {
                    Ok(order) => Some(order),
                    Err(RecvTimeoutError::Timeout) => None,
                    Err(RecvTimeoutError::Disconnected) => Some(Order::End),
                }
            };
            match order {
                Some(Order::Reopen) => self.sink.close(),
                Some(Order::End) => return self.end(inbox),
                None => {}
            }
            self.write();
        }
    }

    /// Takes what has been recorded, or an order.
    fn take(
        &mut self,
        inbox: &Receiver<(SystemTime, Event)>,
        ordered: &Receiver<Order>,
    ) -> Option<Order> {
        let order = select! {
            recv(ordered) -> order => Some(order.unwrap_or(Order::End)),
            recv(inbox) -> event => match event {
                Ok(event) => {
                    self.add(event);
                    None
                }
                Err(_) => Some(Order::End),
            },
            default(limits::AUDIT_LOOK) => None,
        };
        self.gather(inbox);
        order
    }

    /// Makes a batch of what waits, and tells what is missing and what was left out.
    fn gather(&mut self, inbox: &Receiver<(SystemTime, Event)>) {
        while self.pending.len() < limits::AUDIT_BATCH_BYTES {
            let Ok(event) = inbox.try_recv() else { break };
            self.add(event);
        }
        for (kind, left_out) in self.repeats.finished(Instant::now()) {
            self.line(SystemTime::now(), &Event::Repeated { kind, left_out }, 0);
        }
        if let Some((missing, from, to)) = self.tally.take_gap() {
            let slow = || "records came faster than they could be written".to_owned();
            let reason = self.problem.take().unwrap_or_else(slow);
            self.line(SystemTime::now(), &Event::Gap { missing, from, to, reason }, 0);
        }
    }

    fn add(&mut self, (at, event): (SystemTime, Event)) {
        let mut left_out = 0;
        if let Some(kind) = event.kind() {
            match self.repeats.judge(&kind, Instant::now()) {
                Verdict::Write { suppressed } => left_out = suppressed,
                Verdict::Suppress => {
                    self.tally.repeated.fetch_add(1, Relaxed);
                    return;
                }
            }
        }
        self.line(at, &event, left_out);
    }

    fn line(&mut self, at: SystemTime, event: &Event, left_out: u64) {
        self.seq += 1;
        self.records += 1;
        line::write(self.pending.lines(), &self.origin, (self.seq, at), event, left_out);
    }

    fn write(&mut self) {
        let outcome = self.pending.flush(&mut self.sink);
        let failed = outcome.is_err();
        let before = self.tally.failing.swap(failed, Relaxed);
        match outcome {
            Ok(()) => {
                self.tally.written.fetch_add(std::mem::take(&mut self.records), Relaxed);
                if before {
                    tracing::info!("audit records are written again");
                }
                self.rotate();
            }
            Err(error) => {
                self.tally.failures.fetch_add(1, Relaxed);
                if !before {
                    tracing::error!(
                        %error, "audit records cannot be written; they wait, and are lost when the \
                         queue is full; make room, or correct [audit] file"
                    );
                }
                self.problem = Some(error.to_string());
            }
        }
    }

    fn rotate(&mut self) {
        let Sink::File(file) = &mut self.sink else {
            return;
        };
        if !file.is_due() || !self.rotates {
            return;
        }
        if let Err(error) = file.rotate() {
            self.rotates = false;
            tracing::error!(%error, "the audit file cannot be rotated and grows on");
        }
    }

    /// Writes what there is, for a moment at most.
    fn end(mut self, inbox: &Receiver<(SystemTime, Event)>) {
        let deadline = Instant::now() + limits::AUDIT_END_TIMEOUT;
        loop {
            if self.pending.is_empty() {
                self.gather(inbox);
            }
            if self.pending.is_empty() {
                return;
            }
            self.write();
            if self.pending.is_empty() {
                continue;
            }
            if Instant::now() >= deadline {
                let lost = self.records + inbox.len() as u64;
                self.tally.lost.fetch_add(lost, Relaxed);
                return tracing::error!(lost, "the process ends with audit records not written");
            }
            std::thread::sleep(limits::AUDIT_END_RETRY);
        }
    }
}

//! Questions to the workers of a crew, which control threads wait for.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};

use super::{Crew, Look, Mailbox, Message, Seen};
use crate::{limits, relay::Face, tunnel::SessionId};

/// The worker did not answer in time, or its mailbox is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("worker {0} did not answer in time")]
pub struct NoAnswer(pub usize);

impl<M> Mailbox<M> {
    fn ask<T>(&self, question: impl FnOnce(Sender<T>) -> Message<M>) -> Option<Receiver<T>> {
        let (answer, answered) = crossbeam_channel::bounded(1);
        self.try_send(question(answer)).ok().map(|()| answered)
    }
}

impl<M> Crew<M> {
    /// Asks every worker at once and gives them [`limits::WORKER_ANSWER_TIMEOUT`] together.
    pub fn ask_all<T>(
        &self,
        mut question: impl FnMut(Sender<T>) -> Message<M>,
    ) -> Vec<Result<T, NoAnswer>> {
        let deadline = Instant::now() + limits::WORKER_ANSWER_TIMEOUT;
        let asked: Vec<_> =
            self.mailboxes().iter().map(|mailbox| mailbox.ask(&mut question)).collect();
        let answer = |(worker, answered): (usize, Option<Receiver<T>>)| {
            let answer = answered.and_then(|answered| answered.recv_deadline(deadline).ok());
            answer.ok_or(NoAnswer(worker))
        };
        asked.into_iter().enumerate().map(answer).collect()
    }

    /// Asks one worker, if there is such a one.
    ///
    /// # Errors
    /// It does not answer within `timeout`.
    pub fn ask<T>(
        &self,
        worker: usize,
        timeout: Duration,
        question: impl FnOnce(Sender<T>) -> Message<M>,
    ) -> Result<Option<T>, NoAnswer> {
        let Some(mailbox) = self.mailboxes().get(worker) else { return Ok(None) };
        let answered = mailbox.ask(question).ok_or(NoAnswer(worker))?;
        answered.recv_timeout(timeout).map(Some).map_err(|_| NoAnswer(worker))
    }

    /// The tunnels or streams of every worker.
    pub fn look(&self, look: impl Fn(usize) -> Look) -> Vec<Result<Seen, NoAnswer>> {
        let mut workers = 0..;
        self.ask_all(|answer| {
            let worker = workers.next().unwrap_or_default();
            Message::Look(Box::new(look(worker)), answer)
        })
    }

    /// Ends a tunnel or stream; says whether there was such a one.
    ///
    /// # Errors
    /// Its worker does not answer; it may end all the same.
    pub fn kill(&self, id: SessionId, face: Face) -> Result<bool, NoAnswer> {
        let killed = self.ask(id.worker, limits::WORKER_ANSWER_TIMEOUT, |answer| {
            Message::Kill(id.key, face, answer)
        });
        killed.map(|killed| killed.unwrap_or(false))
    }
}

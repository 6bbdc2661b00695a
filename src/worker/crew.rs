//! All workers of a process: starting them, talking to them, ending them.

use std::{
    io,
    os::fd::OwnedFd,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::{
    Load, Mailbox, Message, Role, Worker,
    run::{Post, Posted, run},
    watchdog::{THREAD_PREFIX, abort_on_worker_panic},
};
use crate::{
    engine::Kind,
    limits,
    telemetry::{Counters, Gauge, News, Openings, Records},
};

/// How many workers, on which engine and cores.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Shown in thread names.
    pub role: &'static str,
    /// The engine of every worker.
    pub kind: Kind,
    /// One entry per worker: the core it is pinned to, if any.
    pub cores: Vec<Option<usize>>,
    /// Where every worker writes down what happens.
    pub records: Records,
}

/// The running workers of a process.
pub struct Crew<M> {
    mailboxes: Vec<Mailbox<M>>,
    counters: Vec<Arc<Counters>>,
    openings: Arc<Openings>,
    load: Load,
    plan: Plan,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// A listener and the workers that serve it, a socket of its group for each.
pub struct Listening {
    /// The number of a worker, and its socket.
    pub sockets: Vec<(usize, OwnedFd)>,
}

impl Listening {
    /// A listener that every worker serves; `sockets` has one for each.
    #[must_use]
    pub fn everywhere(sockets: Vec<OwnedFd>) -> Self {
        Self { sockets: sockets.into_iter().enumerate().collect() }
    }

    fn group(&self) -> Arc<[usize]> {
        self.sockets.iter().map(|(worker, _)| *worker).collect()
    }
}

/// Starts one worker per entry of `plan.cores`. Listeners are numbered in their order. `make`
/// builds the role's part on each worker's own thread.
///
/// # Errors
/// When a thread, an event loop or a mailbox cannot be made. Workers that started are stopped.
pub fn start<R: Role>(
    plan: &Plan,
    listeners: Vec<Listening>,
    make: impl Fn(&Rc<Worker>) -> Rc<R> + Send + Clone + 'static,
) -> io::Result<Crew<R::Message>> {
    abort_on_worker_panic();
    let count = plan.cores.len();
    let mut per_worker: Vec<Vec<Posted>> = (0..count).map(|_| Vec::new()).collect();
    for (number, listener) in listeners.into_iter().enumerate() {
        let group = listener.group();
        for (worker, fd) in listener.sockets {
            per_worker[worker].push(Posted { number, fd, group: group.clone() });
        }
    }
    let mut boxes = Vec::with_capacity(count);
    for _ in 0..count {
        boxes.push(Mailbox::<R::Message>::new()?);
    }
    let mailboxes: Vec<_> = boxes.iter().map(|(mailbox, _, _)| mailbox.clone()).collect();
    let load = Load::new(count);
    let plan = plan.clone();
    let openings = Arc::new(Openings::default());
    let threads = Mutex::default();
    let (counters, shared) = (Vec::new(), openings.clone());
    let mut crew = Crew { mailboxes, counters, openings: shared, load, plan, threads };
    for (index, ((_, inbox, wake), listeners)) in boxes.into_iter().zip(per_worker).enumerate() {
        let counters = Arc::new(Counters::beside(&openings));
        crew.counters.push(counters.clone());
        let post = Post::<R> {
            index,
            kind: crew.plan.kind,
            core: crew.plan.cores[index],
            listeners,
            inbox,
            wake,
            mailboxes: crew.mailboxes.clone(),
            counters,
            records: crew.plan.records.clone(),
            load: crew.load.clone(),
        };
        let make = make.clone();
        let (started, outcome) = crossbeam_channel::bounded(1);
        let thread = std::thread::Builder::new()
            .name(format!("{THREAD_PREFIX}{}-{index}", crew.plan.role))
            .spawn(move || run(post, make, |ready| drop(started.send(ready))))?;
        crew.threads.get_mut().unwrap_or_else(PoisonError::into_inner).push(thread);
        outcome.recv().unwrap_or_else(|_| Err(io::Error::other("a worker ended as it began")))?;
    }
    Ok(crew)
}

impl<M> Crew<M> {
    /// Tells every worker's role something.
    pub fn tell(&self, mut message: impl FnMut() -> M) {
        for mailbox in &self.mailboxes {
            mailbox.send(Message::Role(message()));
        }
    }

    /// Opens a listener, whose number no open one has. What its role must know of it is to be told
    /// before.
    pub fn listen(&self, listener: usize, listening: Listening) {
        let group = listening.group();
        for (worker, fd) in listening.sockets {
            let group = group.clone();
            self.mailboxes[worker].send(Message::Listen { listener, fd, group });
        }
    }

    /// Has other workers serve what comes in on a listener.
    pub fn regroup(&self, listener: usize, group: &[usize]) {
        let group: Arc<[usize]> = group.into();
        for mailbox in &self.mailboxes {
            mailbox.send(Message::Regroup { listener, group: group.clone() });
        }
    }

    /// Closes a listener; what it accepted goes on.
    pub fn unlisten(&self, listener: usize) {
        for mailbox in &self.mailboxes {
            mailbox.send(Message::Unlisten(listener));
        }
    }

    /// How many workers there are.
    pub fn size(&self) -> usize {
        self.mailboxes.len()
    }

    /// Counters of every worker.
    pub fn counters(&self) -> &[Arc<Counters>] {
        &self.counters
    }

    /// How the last tunnels opened.
    pub fn openings(&self) -> &Arc<Openings> {
        &self.openings
    }

    /// Sessions of every worker, a tick old at most.
    pub fn sessions(&self) -> Vec<usize> {
        self.load.sessions()
    }

    /// What each worker recorded since the last call, with its number, and a line for each one
    /// that did not answer within [`limits::WORKER_ANSWER_TIMEOUT`].
    pub fn take_news(&self) -> (Vec<(usize, News)>, Vec<String>) {
        let deadline = Instant::now() + limits::WORKER_ANSWER_TIMEOUT;
        let answers: Vec<_> = self
            .mailboxes
            .iter()
            .map(|mailbox| {
                let (answer, answered) = crossbeam_channel::bounded(1);
                mailbox.try_send(Message::TakeNews(answer)).ok().map(|()| answered)
            })
            .collect();
        let mut news = Vec::with_capacity(answers.len());
        let mut problems = Vec::new();
        for (worker, answered) in answers.into_iter().enumerate() {
            match answered.and_then(|answered| answered.recv_deadline(deadline).ok()) {
                Some(part) => news.push((worker, part)),
                None => problems.push(format!("worker {worker} did not answer in time")),
            }
        }
        (news, problems)
    }

    /// How the workers were started.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The mailbox of every worker, to ask their roles.
    pub fn mailboxes(&self) -> &[Mailbox<M>] {
        &self.mailboxes
    }

    /// The workers that should take messages and do not: those that do not answer within
    /// [`limits::WORKER_ANSWER_TIMEOUT`].
    #[must_use]
    pub fn silent(&self) -> Vec<usize> {
        let deadline = Instant::now() + limits::WORKER_ANSWER_TIMEOUT;
        let ask = |mailbox: &Mailbox<M>| {
            let (asker, answered) = crossbeam_channel::bounded(1);
            mailbox.try_send(Message::Answer(asker)).ok().map(|()| answered)
        };
        let answers: Vec<_> = self.mailboxes.iter().map(ask).collect();
        let is_silent = |answer: Option<crossbeam_channel::Receiver<()>>| {
            answer.and_then(|answered| answered.recv_deadline(deadline).ok()).is_none()
        };
        let workers = answers.into_iter().enumerate();
        let silent =
            workers.filter_map(|(worker, answer)| is_silent(answer).then_some(worker)).collect();
        let stopped = self.threads.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        if stopped { Vec::new() } else { silent }
    }

    /// Stops accepting, gives sessions until `deadline` to end by themselves, aborts the rest and
    /// ends the workers. Says how many streams were aborted.
    pub fn drain(&self, deadline: Duration) -> usize {
        let aborted = self.quiesce(deadline);
        self.stop();
        aborted
    }

    /// Stops accepting and waits until every session has ended, until `deadline` at most. Says
    /// how many streams have not. The workers still answer.
    pub fn quiesce(&self, deadline: Duration) -> usize {
        let end = Instant::now() + deadline;
        for mailbox in &self.mailboxes {
            mailbox.send(Message::Drain);
        }
        let open = || self.load.sessions().iter().sum::<usize>();
        // The first look comes after every worker has published its load once more.
        let mut looks = 0;
        while (looks < 2 || open() > 0) && Instant::now() < end {
            std::thread::sleep(limits::TICK.min(end.saturating_duration_since(Instant::now())));
            looks += 1;
        }
        if open() == 0 {
            return 0;
        }
        // Not every session is a stream: a tunnel of many is one as well.
        let streams = |counters: &Arc<Counters>| counters.gauge(Gauge::Streams) as usize;
        self.counters.iter().map(streams).sum()
    }

    fn stop(&self) {
        // Taken before anybody is stopped: who finds them gone knows why no worker answers.
        let threads =
            std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for mailbox in &self.mailboxes {
            mailbox.send(Message::Stop);
        }
        for thread in threads {
            // A worker's panic has ended the process already.
            let _ = thread.join();
        }
    }
}

impl<M> Drop for Crew<M> {
    fn drop(&mut self) {
        self.stop();
    }
}

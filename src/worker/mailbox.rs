//! Messages to a worker: a bounded crossbeam channel, and an eventfd that wakes its loop.

use std::{net::SocketAddr, os::fd::OwnedFd, sync::Arc, time::Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError};

use super::{Look, Seen};
use crate::{
    engine::{Wake, Waker, wake_pair},
    limits,
    relay::Face,
    telemetry::News,
    tunnel::Key,
};

/// A connection that was accepted and that nobody serves yet.
pub struct Accepted {
    /// The connection.
    pub fd: OwnedFd,
    /// Its other end.
    pub peer: SocketAddr,
    /// Which of the process's listeners it belongs to.
    pub listener: usize,
    /// When.
    pub at: Instant,
}

/// What can be asked of any worker; `M` is what its role understands besides.
pub enum Message<M> {
    /// Take over a connection that another worker accepted.
    Adopt(Accepted),
    /// Accept on another listener.
    Listen {
        /// Its number, which no other open one has.
        listener: usize,
        /// The listening socket.
        fd: OwnedFd,
        /// The workers that serve it.
        group: Arc<[usize]>,
    },
    /// Spread what comes in on a listener over other workers.
    Regroup {
        /// Its number.
        listener: usize,
        /// The workers that serve it.
        group: Arc<[usize]>,
    },
    /// Accept nothing more on a listener.
    Unlisten(usize),
    /// Hand out what was recorded since the last time.
    TakeNews(Sender<News>),
    /// Tell which tunnels or streams there are.
    Look(Box<Look>, Sender<Seen>),
    /// End one of them; tell whether there was such a one.
    Kill(Key, Face, Sender<bool>),
    /// Say that it still takes messages.
    Answer(Sender<()>),
    /// Accept nothing more; end when the last session is gone.
    Drain,
    /// End now: abort what is left.
    Stop,
    /// For the role.
    Role(M),
}

/// The sending end of a worker's mailbox.
pub struct Mailbox<M> {
    messages: Sender<Message<M>>,
    waker: Waker,
}

impl<M> Clone for Mailbox<M> {
    fn clone(&self) -> Self {
        Self { messages: self.messages.clone(), waker: self.waker.clone() }
    }
}

impl<M> Mailbox<M> {
    /// A mailbox and the end its worker reads.
    pub(super) fn new() -> std::io::Result<(Self, Receiver<Message<M>>, Wake)> {
        let (waker, wake) = wake_pair()?;
        let (messages, inbox) = crossbeam_channel::bounded(limits::MAILBOX_MESSAGES_MAX);
        Ok((Self { messages, waker }, inbox, wake))
    }

    /// Leaves a message, or gives it back when the mailbox is full or its worker is gone.
    pub fn try_send(&self, message: Message<M>) -> Result<(), Message<M>> {
        match self.messages.try_send(message) {
            Ok(()) => {
                self.waker.wake();
                Ok(())
            }
            Err(TrySendError::Full(message) | TrySendError::Disconnected(message)) => Err(message),
        }
    }

    /// Leaves a message that must not be lost; waits while the mailbox is full. For the control
    /// threads only: a worker that waited for another could wait for itself.
    pub fn send(&self, message: Message<M>) {
        if self.messages.send(message).is_ok() {
            self.waker.wake();
        }
    }
}

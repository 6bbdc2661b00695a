//! What a worker does on a connector: serve accepted clients and keep channels connected.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use super::{channel::Channel, session};
use crate::{
    config::OutboundProxy,
    tls::ClientTls,
    tunnel::Timeouts,
    worker::{Accepted, Role, Worker},
};

/// What tunnels are opened with, by the mode of their channel: they differ in what they offer to
/// speak (ALPN).
#[derive(Clone)]
pub struct TlsOfModes {
    pub(super) direct: ClientTls,
    pub(super) multiplexed: ClientTls,
}

/// What control threads tell a connector's workers.
pub enum ConnectorMessage {
    /// New certificates for tunnels dialled from now on; running streams go on.
    Tls(TlsOfModes),
}

/// A connector's part of one worker.
pub(super) struct ConnectorRole {
    pub(super) subaccount: String,
    pub(super) location: String,
    pub(super) timeouts: Timeouts,
    pub(super) dial_timeout: Duration,
    pub(super) outbound: Option<OutboundProxy>,
    pub(super) tls: RefCell<TlsOfModes>,
    /// In the order of the worker's listeners.
    pub(super) channels: Vec<Rc<Channel>>,
}

impl Role for ConnectorRole {
    type Message = ConnectorMessage;

    fn accepted(self: &Rc<Self>, worker: &Rc<Worker>, accepted: Accepted) {
        let channel = self.channels[accepted.listener].clone();
        let serving = session::serve(worker.shard.clone(), self.clone(), channel, accepted);
        tokio::task::spawn_local(serving);
    }

    fn message(self: &Rc<Self>, worker: &Rc<Worker>, message: ConnectorMessage) {
        match message {
            ConnectorMessage::Tls(tls) => {
                *self.tls.borrow_mut() = tls;
                for channel in &self.channels {
                    channel.renew(&worker.shard);
                }
            }
        }
    }

    fn tick(self: &Rc<Self>, worker: &Rc<Worker>, now: Instant) {
        if worker.is_draining() {
            return;
        }
        for channel in &self.channels {
            channel.upkeep(&worker.shard, self, now);
        }
    }
}

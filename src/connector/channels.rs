//! All channels of a connector: their ports, who serves them, and what becomes of each when the
//! configuration changes.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{
    owner::{Identity, Owner},
    role::{ChannelPost, ConnectorMessage},
    status::{ChannelStatus, Part},
};
use crate::{
    config::{ChannelConfig, Mode},
    engine::Listener,
    limits,
    mapping::Pace,
    telemetry::{Audit, audit::Event},
    worker::{Crew, Listening},
};

/// One configured channel and what became of it.
#[derive(Clone)]
pub struct RunningChannel {
    /// Whose it is.
    pub owner: Arc<Owner>,
    /// Tells it from all others; `None` for those of the configuration file.
    pub id: Option<u64>,
    /// As configured.
    pub config: ChannelConfig,
    /// Its local port; `None` when it is disabled or the port could not be had.
    pub address: Option<SocketAddr>,
    /// Its state.
    pub status: Arc<ChannelStatus>,
    /// How fast its bytes may go.
    pace: Arc<Pace>,
    /// What tells it from the others on the workers; never used again.
    number: usize,
}

impl RunningChannel {
    /// Tunnels that are open for it: in mode `direct` each stream has one of its own, beside the
    /// warm ones.
    pub fn tunnels_open(&self) -> usize {
        let ready = self.status.connected().0;
        match self.config.mode {
            Mode::Multiplexed => ready,
            Mode::Direct => ready + self.status.streams(),
        }
    }
}

/// A channel as it is to be.
#[derive(Clone)]
pub(super) struct Wanted {
    pub(super) owner: Arc<Owner>,
    /// `None` for those of the configuration file.
    pub(super) id: Option<u64>,
    pub(super) config: ChannelConfig,
    /// What its tunnels are opened with; without it the channel cannot be opened.
    pub(super) identity: Option<Arc<Identity>>,
    /// What is wrong with the certificates of its owner.
    pub(super) problem: Option<String>,
}

/// The configuration file's channels as they are to be.
pub(super) fn wanted_by_file(
    configs: &[ChannelConfig],
    identity: Option<&Arc<Identity>>,
) -> Vec<Wanted> {
    // A file with channels names their subaccount.
    let Some(identity) = identity else { return Vec::new() };
    let wanted = |config: &ChannelConfig| Wanted {
        owner: identity.owner.clone(),
        id: None,
        config: config.clone(),
        identity: Some(identity.clone()),
        problem: None,
    };
    configs.iter().map(wanted).collect()
}

/// The channels as everybody sees them: one list takes the place of another.
pub(super) type Board = Arc<Mutex<Arc<[RunningChannel]>>>;

/// Keeps the channels as they are configured.
pub(super) struct Channels {
    board: Board,
    workers: usize,
    next_number: usize,
    of_file: Vec<Wanted>,
    carried: Vec<Wanted>,
    /// Ports that were closed, and until when that may still go on.
    leaving: Vec<(SocketAddr, Instant)>,
    audit: Audit,
}

/// A port that another channel has just left is free again after at most this.
const PORT_PATIENCE: Duration = Duration::from_secs(1);
const PORT_LOOK: Duration = Duration::from_millis(10);

impl Channels {
    /// None yet, for so many workers.
    pub(super) fn new(workers: usize, audit: Audit) -> Self {
        Self {
            board: Board::default(),
            workers,
            next_number: 0,
            of_file: Vec::new(),
            carried: Vec::new(),
            leaving: Vec::new(),
            audit,
        }
    }

    pub(super) fn board(&self) -> Board {
        self.board.clone()
    }

    /// Opens the ports of a connector that starts: what its workers are to be given. One that
    /// cannot be had fails alone.
    pub(super) fn open_all(&mut self, of_file: Vec<Wanted>) -> (Vec<Listening>, Vec<ChannelPost>) {
        let (mut listeners, mut posts, mut channels) = (Vec::new(), Vec::new(), Vec::new());
        for wanted in &of_file {
            let mut channel = self.unopened(wanted);
            // The workers number the listeners they start with in their order.
            channel.number = listeners.len();
            if let Some((listening, post)) = self.bind(&mut channel, wanted) {
                posts.push(post);
                listeners.push(listening);
            }
            channels.push(channel);
        }
        self.of_file = of_file;
        self.publish(channels);
        (listeners, posts)
    }

    fn unopened(&mut self, wanted: &Wanted) -> RunningChannel {
        let number = self.next_number;
        self.next_number += 1;
        let pace = Arc::<Pace>::default();
        pace.set(wanted.config.bytes_per_second_max);
        RunningChannel {
            owner: wanted.owner.clone(),
            id: wanted.id,
            config: wanted.config.clone(),
            address: None,
            status: Arc::new(ChannelStatus::new(self.workers)),
            pace,
            number,
        }
    }

    fn publish(&self, channels: Vec<RunningChannel>) {
        *self.board.lock().unwrap_or_else(PoisonError::into_inner) = channels.into();
    }

    /// Takes other channels in place of the configuration file's.
    pub(super) fn change_file(&mut self, of_file: Vec<Wanted>, crew: &Crew<ConnectorMessage>) {
        self.of_file = of_file;
        self.change(crew);
    }

    /// Takes other channels in place of those beside the configuration file's.
    pub(super) fn change_carried(&mut self, carried: Vec<Wanted>, crew: &Crew<ConnectorMessage>) {
        self.carried = carried;
        self.change(crew);
    }

    /// Makes the channels as they are wanted now: those that are gone are closed, changed ones
    /// keep their port, new ones are opened. What is as before is not touched, but for ports that
    /// could not be had. Open streams go on in any case.
    fn change(&mut self, crew: &Crew<ConnectorMessage>) {
        let wanted: Vec<Wanted> = self.of_file.iter().chain(&self.carried).cloned().collect();
        let before = self.board.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut left: Vec<RunningChannel> = before.to_vec();
        let mut take = |fits: &dyn Fn(&RunningChannel) -> bool| {
            left.iter().position(fits).map(|at| left.remove(at))
        };
        // The same ones first, so that of two alike none is taken for a change of the other.
        let same: Vec<_> =
            wanted.iter().map(|wanted| take(&|it| wanted.is_as_before(it))).collect();
        let kept: Vec<_> = wanted
            .iter()
            .zip(same)
            .map(|(wanted, same)| same.or_else(|| take(&|it| wanted.is_change_of(it))))
            .collect();
        // Before any port is opened, those that are left are free.
        let now = Instant::now();
        self.leaving.retain(|(_, until)| *until > now);
        for gone in &left {
            self.close(gone, crew);
        }
        for (wanted, kept) in wanted.iter().zip(&kept) {
            if let Some(running) = kept.as_ref().filter(|it| !wanted.keeps_port_of(it)) {
                self.close(running, crew);
            }
        }
        let channels = wanted.iter().zip(kept).map(|(wanted, kept)| match kept {
            Some(running) if running.address.is_some() && wanted.keeps_port_of(&running) => {
                self.keep(running, wanted, crew)
            }
            other => self.open(other, wanted, crew),
        });
        let channels = channels.collect();
        self.publish(channels);
    }

    /// A channel that is closed, or not there, or could not be opened.
    fn open(
        &mut self,
        before: Option<RunningChannel>,
        wanted: &Wanted,
        crew: &Crew<ConnectorMessage>,
    ) -> RunningChannel {
        let mut channel = self.unopened(wanted);
        if let Some(before) = before.filter(|it| it.address.is_none() && it.config == wanted.config)
        {
            // What is known to be wrong with it is not news.
            channel.status = before.status;
        }
        if let Some((listening, post)) = self.bind(&mut channel, wanted) {
            tell(&post, crew);
            crew.listen(channel.number, listening);
        }
        channel
    }

    fn record_opened(&self, channel: &RunningChannel) {
        if let Some(local) = channel.address {
            let endpoint = channel.config.endpoint.to_string();
            self.audit.record(|| Event::ChannelOpened { local, endpoint });
        }
    }

    /// What is wanted, behind the same port.
    fn keep(
        &self,
        running: RunningChannel,
        wanted: &Wanted,
        crew: &Crew<ConnectorMessage>,
    ) -> RunningChannel {
        let is_changed = running.config != wanted.config;
        let (config, owner) = (wanted.config.clone(), wanted.owner.clone());
        let channel = RunningChannel { config, owner, ..running };
        channel.status.set_problem(Part::Owner, wanted.problem.clone());
        let Some(identity) = wanted.identity.as_ref().filter(|_| is_changed) else {
            return channel;
        };
        channel.pace.set(wanted.config.bytes_per_second_max);
        // What was wrong with the old one says nothing about this one.
        channel.status.set_problem(Part::Way, None);
        channel.status.set_problem(Part::Service, None);
        tell(&self.post(&channel, identity), crew);
        crew.regroup(channel.number, &served_by(&channel.config, channel.number, self.workers));
        channel
    }

    fn post(&self, channel: &RunningChannel, identity: &Arc<Identity>) -> ChannelPost {
        ChannelPost {
            number: channel.number,
            identity: identity.clone(),
            config: channel.config.clone(),
            status: channel.status.clone(),
            pace: channel.pace.clone(),
            workers: self.workers,
        }
    }

    fn close(&mut self, channel: &RunningChannel, crew: &Crew<ConnectorMessage>) {
        let Some(address) = channel.address else { return };
        self.leaving.push((address, Instant::now() + PORT_PATIENCE));
        crew.unlisten(channel.number);
        crew.tell(|| ConnectorMessage::Close(channel.number));
    }

    /// Opens the port of a channel that is to have one; waits a while for one that is being left.
    fn bind(
        &self,
        channel: &mut RunningChannel,
        wanted: &Wanted,
    ) -> Option<(Listening, ChannelPost)> {
        let config = &channel.config;
        channel.status.set_problem(Part::Owner, wanted.problem.clone());
        let identity = wanted.identity.as_ref().filter(|_| config.enabled)?;
        let served_by = served_by(config, channel.number, self.workers);
        let is_left = |(address, _): &&(SocketAddr, Instant)| address.port() == config.local.port();
        let deadline = self.leaving.iter().filter(is_left).map(|(_, until)| *until).max();
        let may_wait = || deadline.is_some_and(|deadline| Instant::now() < deadline);
        let bound = loop {
            match Listener::bind_group(config.local, served_by.len()) {
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && may_wait() => {
                    std::thread::sleep(PORT_LOOK);
                }
                bound => break bound,
            }
        };
        match bound {
            Ok((address, sockets)) => {
                channel.address = Some(address);
                channel.status.set_problem(Part::Way, None);
                self.record_opened(channel);
                let sockets = served_by.into_iter().zip(sockets).collect();
                Some((Listening { sockets }, self.post(channel, identity)))
            }
            Err(error) => {
                let problem = format!(
                    "cannot listen on {}: {error}; choose another local_port or stop what holds it",
                    config.local
                );
                if channel.status.set_problem(Part::Way, Some(problem.clone())) {
                    tracing::error!(endpoint = %config.endpoint, "{problem}");
                }
                None
            }
        }
    }
}

impl Wanted {
    fn is_of(&self, running: &RunningChannel) -> bool {
        self.owner.number == running.owner.number && self.id == running.id
    }

    fn is_as_before(&self, running: &RunningChannel) -> bool {
        self.is_of(running) && running.config == self.config
    }

    /// Whether it is a change of what runs, and not another channel: those of the configuration
    /// file have no other name than where they listen.
    fn is_change_of(&self, running: &RunningChannel) -> bool {
        self.is_of(running) && (self.id.is_some() || running.config.name() == self.config.name())
    }

    /// Whether it is served behind the port of what runs.
    fn keeps_port_of(&self, running: &RunningChannel) -> bool {
        self.config.enabled && self.config.local == running.config.local
    }
}

fn tell(post: &ChannelPost, crew: &Crew<ConnectorMessage>) {
    crew.tell(|| ConnectorMessage::Channel(Box::new(post.clone())));
}

/// The workers that serve a channel. In mode `multiplexed` those that have one of its tunnels: a
/// stream's sockets and its tunnel stay on one core. Channels begin at different workers.
fn served_by(config: &ChannelConfig, number: usize, workers: usize) -> Vec<usize> {
    match config.mode {
        Mode::Direct => (0..workers).collect(),
        Mode::Multiplexed => {
            let served = config.connections.clamp(1, workers);
            (0..served).map(|worker| (number + worker) % workers).collect()
        }
    }
}

/// How many tunnels of a channel a worker keeps.
pub(super) fn tunnels_of(
    config: &ChannelConfig,
    number: usize,
    workers: usize,
    index: usize,
) -> usize {
    match config.mode {
        Mode::Direct => {
            share(config.warm_connections.min(limits::WARM_CONNECTIONS_MAX), workers, index)
        }
        Mode::Multiplexed => {
            share(config.connections, workers, (index + workers - number % workers) % workers)
        }
    }
}

/// Worker `index`'s share of `total` things.
fn share(total: usize, workers: usize, index: usize) -> usize {
    total / workers + usize::from(index < total % workers)
}

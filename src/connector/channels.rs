//! All channels of a connector: their ports, who serves them, and what becomes of each when the
//! configuration changes.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{
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

/// The channels as everybody sees them: one list takes the place of another.
pub(super) type Board = Arc<Mutex<Arc<[RunningChannel]>>>;

/// Keeps the channels as they are configured.
pub(super) struct Channels {
    board: Board,
    workers: usize,
    next_number: usize,
    audit: Audit,
}

/// A port that another channel has just left is free again after at most this.
const PORT_PATIENCE: Duration = Duration::from_secs(1);
const PORT_LOOK: Duration = Duration::from_millis(10);

impl Channels {
    /// None yet, for so many workers.
    pub(super) fn new(workers: usize, audit: Audit) -> Self {
        Self { board: Board::default(), workers, next_number: 0, audit }
    }

    pub(super) fn board(&self) -> Board {
        self.board.clone()
    }

    /// Opens the ports of a connector that starts: what its workers are to be given. One that
    /// cannot be had fails alone.
    pub(super) fn open_all(
        &mut self,
        configs: &[ChannelConfig],
    ) -> (Vec<Listening>, Vec<ChannelPost>) {
        let (mut listeners, mut posts, mut channels) = (Vec::new(), Vec::new(), Vec::new());
        for config in configs {
            let mut channel = self.unopened(config);
            // The workers number the listeners they start with in their order.
            channel.number = listeners.len();
            if let Some(listening) = bind(&mut channel, self.workers, Duration::ZERO) {
                self.record_opened(&channel);
                posts.push(self.post(&channel));
                listeners.push(listening);
            }
            channels.push(channel);
        }
        self.publish(channels);
        (listeners, posts)
    }

    fn unopened(&mut self, config: &ChannelConfig) -> RunningChannel {
        let number = self.next_number;
        self.next_number += 1;
        let status = Arc::new(ChannelStatus::default());
        let pace = Arc::<Pace>::default();
        pace.set(config.bytes_per_second_max);
        RunningChannel { config: config.clone(), address: None, status, pace, number }
    }

    fn publish(&self, channels: Vec<RunningChannel>) {
        *self.board.lock().unwrap_or_else(PoisonError::into_inner) = channels.into();
    }

    /// Makes the channels as they are configured now: those that are gone are closed, changed ones
    /// keep their port, new ones are opened. What is as before is not touched. Open streams go on
    /// in any case.
    pub(super) fn change(&mut self, configs: &[ChannelConfig], crew: &Crew<ConnectorMessage>) {
        let before = self.board.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut left: Vec<RunningChannel> = before.to_vec();
        let mut take = |fits: &dyn Fn(&RunningChannel) -> bool| {
            left.iter().position(fits).map(|at| left.remove(at))
        };
        // The same ones first, so that of two alike none is taken for a change of the other.
        let same: Vec<_> =
            configs.iter().map(|config| take(&|running| running.config == *config)).collect();
        let kept: Vec<_> = configs
            .iter()
            .zip(same)
            .map(|(config, same)| same.or_else(|| take(&|running| is_change(running, config))))
            .collect();
        for gone in &left {
            close(gone, crew);
        }
        let channels = configs
            .iter()
            .zip(kept)
            .map(|(config, kept)| match kept {
                Some(running) if running.config == *config && is_settled(&running) => running,
                Some(running) if running.address.is_some() && config.enabled => {
                    self.replace(running, config, crew)
                }
                other => {
                    if let Some(running) = &other {
                        close(running, crew);
                    }
                    self.open(config, crew)
                }
            })
            .collect();
        self.publish(channels);
    }

    fn open(&mut self, config: &ChannelConfig, crew: &Crew<ConnectorMessage>) -> RunningChannel {
        let mut channel = self.unopened(config);
        if let Some(listening) = bind(&mut channel, self.workers, PORT_PATIENCE) {
            self.record_opened(&channel);
            self.tell(&channel, crew);
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

    /// Another configuration behind the same port.
    fn replace(
        &self,
        running: RunningChannel,
        config: &ChannelConfig,
        crew: &Crew<ConnectorMessage>,
    ) -> RunningChannel {
        let channel = RunningChannel { config: config.clone(), ..running };
        channel.pace.set(config.bytes_per_second_max);
        // What was wrong with the old one says nothing about this one.
        channel.status.set_problem(Part::Way, None);
        channel.status.set_problem(Part::Service, None);
        self.tell(&channel, crew);
        crew.regroup(channel.number, &served_by(config, channel.number, self.workers));
        channel
    }

    fn tell(&self, channel: &RunningChannel, crew: &Crew<ConnectorMessage>) {
        crew.tell(|| ConnectorMessage::Channel(Box::new(self.post(channel))));
    }

    fn post(&self, channel: &RunningChannel) -> ChannelPost {
        ChannelPost {
            number: channel.number,
            config: channel.config.clone(),
            status: channel.status.clone(),
            pace: channel.pace.clone(),
            workers: self.workers,
        }
    }
}

/// Whether a channel is in the state its configuration asks for: one whose port could not be had is
/// tried again.
fn is_settled(running: &RunningChannel) -> bool {
    running.address.is_some() == running.config.enabled
}

/// Whether `config` is a change of what runs, and not another channel.
fn is_change(running: &RunningChannel, config: &ChannelConfig) -> bool {
    running.config.name() == config.name()
}

fn close(channel: &RunningChannel, crew: &Crew<ConnectorMessage>) {
    if channel.address.is_some() {
        crew.unlisten(channel.number);
        crew.tell(|| ConnectorMessage::Close(channel.number));
    }
}

/// Opens the port of a channel; waits a while for one that is being left.
fn bind(channel: &mut RunningChannel, workers: usize, patience: Duration) -> Option<Listening> {
    let config = &channel.config;
    if !config.enabled {
        return None;
    }
    let served_by = served_by(config, channel.number, workers);
    let deadline = Instant::now() + patience;
    let bound = loop {
        match Listener::bind_group(config.local, served_by.len()) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < deadline => {
                std::thread::sleep(PORT_LOOK);
            }
            bound => break bound,
        }
    };
    match bound {
        Ok((address, sockets)) => {
            channel.address = Some(address);
            Some(Listening { sockets: served_by.into_iter().zip(sockets).collect() })
        }
        Err(error) => {
            let problem = format!(
                "cannot listen on {}: {error}; choose another local_port or stop what holds it",
                config.local
            );
            tracing::error!(endpoint = %config.endpoint, "{problem}");
            channel.status.set_problem(Part::Way, Some(problem));
            None
        }
    }
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

//! One session, driven as the relay drives it.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use causeway::protocol::http2::{
    self, Asked, Error, Io, Ping, PingPong, RecvStream, Windows, Wire, client, server,
};

use super::{
    alarm::{Alarm, waker},
    chunk::Chunk,
};

/// What a small frame may cost while it is unread. The crate takes half of the connection window,
/// which in these runs is a fraction of a real tunnel's.
const DATA_FRAME_BUDGET: usize = causeway::limits::TUNNEL_WINDOW_BYTES_MAX as usize / 2;

type Requests = client::SendRequest<Chunk>;
type ClientConnection = client::Connection<Io<Bytes>, Chunk>;
type ServerConnection = server::Connection<Io<Bytes>, Chunk>;
type Shaking<T> = Pin<Box<dyn Future<Output = Result<T, Error>>>>;

enum State {
    ClientShakes(Shaking<(Requests, ClientConnection)>),
    ServerShakes(Shaking<ServerConnection>),
    Client(ClientConnection),
    Server(ServerConnection),
    Over,
}

/// What a session tells the world.
#[allow(clippy::large_enum_variant)] // it lives for one match
pub(crate) enum Event {
    Up(Requests),
    Arrived(Asked<RecvStream>, server::SendResponse<Chunk>),
    Ended(Option<String>),
}

#[derive(Default)]
pub(crate) struct Wishes {
    pub(crate) ping: bool,
    pub(crate) window: Option<u32>,
    pub(crate) drain: bool,
}

pub(crate) struct Core {
    state: State,
    pub(crate) wire: Wire<Bytes>,
    pub(crate) alarm: Arc<Alarm>,
    pub(crate) wishes: Wishes,
    pinger: Option<PingPong>,
    pub(crate) pings: u64,
    pub(crate) pongs: u64,
    pub(crate) windows: u64,
}

impl Core {
    pub(crate) fn client(windows: Windows) -> Self {
        let (wire, io) = Wire::new();
        let mut builder = http2::client_builder(windows);
        builder.data_frame_budget(DATA_FRAME_BUDGET);
        Self::new(State::ClientShakes(Box::pin(async move { builder.handshake(io).await })), wire)
    }

    pub(crate) fn server(windows: Windows, streams_max: u32) -> Self {
        let (wire, io) = Wire::new();
        let mut builder = http2::server_builder(windows, streams_max);
        builder.data_frame_budget(DATA_FRAME_BUDGET);
        Self::new(State::ServerShakes(Box::pin(async move { builder.handshake(io).await })), wire)
    }

    fn new(state: State, wire: Wire<Bytes>) -> Self {
        Self {
            state,
            wire,
            alarm: Alarm::rung(),
            wishes: Wishes::default(),
            pinger: None,
            pings: 0,
            pongs: 0,
            windows: 0,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    pub(crate) fn wish(&mut self, change: impl FnOnce(&mut Wishes)) {
        change(&mut self.wishes);
        self.alarm.ring();
    }

    /// Runs the session as far as it goes, or to its next event.
    pub(crate) fn poll(&mut self) -> Option<Event> {
        let waker = waker(&self.alarm);
        let mut cx = Context::from_waker(&waker);
        let event = match &mut self.state {
            State::ClientShakes(shaking) => match shaking.as_mut().poll(&mut cx) {
                Poll::Pending => None,
                Poll::Ready(Ok((requests, mut connection))) => {
                    self.pinger = connection.ping_pong();
                    self.state = State::Client(connection);
                    Some(Event::Up(requests))
                }
                Poll::Ready(Err(error)) => Some(Event::Ended(Some(error.to_string()))),
            },
            State::ServerShakes(shaking) => match shaking.as_mut().poll(&mut cx) {
                Poll::Pending => None,
                Poll::Ready(Ok(mut connection)) => {
                    self.pinger = connection.ping_pong();
                    self.state = State::Server(connection);
                    self.alarm.ring();
                    None
                }
                Poll::Ready(Err(error)) => Some(Event::Ended(Some(error.to_string()))),
            },
            State::Client(_) | State::Server(_) => self.carry(&mut cx),
            State::Over => None,
        };
        if matches!(event, Some(Event::Ended(_))) {
            self.state = State::Over;
        } else if event.is_some() {
            self.alarm.ring();
        }
        event
    }

    fn carry(&mut self, cx: &mut Context<'_>) -> Option<Event> {
        if let Some(window) = self.wishes.window {
            let done = match &mut self.state {
                State::Client(connection) => connection.set_initial_window_size(window),
                State::Server(connection) => connection.set_initial_window_size(window),
                _ => return None,
            };
            // Refused while the last one is not acknowledged; then later.
            if done.is_ok() {
                self.wishes.window = None;
                self.windows += 1;
            }
        }
        let event = match &mut self.state {
            State::Client(connection) => match Pin::new(connection).poll(cx) {
                Poll::Ready(result) => Some(Event::Ended(result.err().map(|e| e.to_string()))),
                Poll::Pending => None,
            },
            State::Server(connection) => {
                if std::mem::take(&mut self.wishes.drain) {
                    connection.graceful_shutdown();
                }
                match connection.poll_accept(cx) {
                    Poll::Ready(Some(Ok((asked, answer)))) => Some(Event::Arrived(asked, answer)),
                    Poll::Ready(Some(Err(error))) => Some(Event::Ended(Some(error.to_string()))),
                    Poll::Ready(None) => Some(Event::Ended(None)),
                    Poll::Pending => None,
                }
            }
            _ => None,
        };
        if self.wishes.window.is_some() {
            // The acknowledgement may be among what was read just now.
            self.alarm.ring();
        }
        self.ping(cx);
        event
    }

    fn ping(&mut self, cx: &mut Context<'_>) {
        let Some(pinger) = &mut self.pinger else { return };
        if std::mem::take(&mut self.wishes.ping) && pinger.send_ping(Ping::opaque()).is_ok() {
            self.pings += 1;
        }
        while let Poll::Ready(Ok(_)) = pinger.poll_pong(cx) {
            self.pongs += 1;
        }
    }
}

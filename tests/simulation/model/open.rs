//! How a stream comes about: the client asks, the server answers.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use causeway::protocol::http2::{self, Error, SendStream, client};

use super::{
    alarm::{Alarm, waker},
    chunk::Chunk,
    tap::Tap,
};

type Requests = client::SendRequest<Chunk>;

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

/// A stream the client wants.
pub(crate) struct Opening {
    stage: Stage,
    pub(crate) alarm: Arc<Alarm>,
}

enum Stage {
    /// Waits for a place among the streams.
    Queued(Requests, usize),
    /// Waits for the answer.
    Asked(Requests, client::ResponseFuture, SendStream<Chunk>),
}

/// What became of it.
pub(crate) enum Opened {
    /// Its id is known.
    Asked(u32),
    Yes(Tap),
    No(u16),
    Failed(Error),
}

impl Opening {
    pub(crate) fn new(requests: Requests, strand: usize) -> Self {
        Self { stage: Stage::Queued(requests, strand), alarm: Alarm::rung() }
    }

    /// Goes one step on, if it can.
    pub(crate) fn step(mut self) -> (Option<Self>, Option<Opened>) {
        let waker = waker(&self.alarm);
        let mut cx = Context::from_waker(&waker);
        match self.stage {
            Stage::Queued(mut requests, strand) => match requests.poll_ready(&mut cx) {
                Poll::Pending => {
                    self.stage = Stage::Queued(requests, strand);
                    (Some(self), None)
                }
                Poll::Ready(Err(error)) => (None, Some(Opened::Failed(error))),
                Poll::Ready(Ok(())) => {
                    let service = format!("s{strand}");
                    let request = http2::write_connect((&service, 443), "", false, TRACE)
                        .expect("the name has no strange characters");
                    match requests.send_request(request, false) {
                        Err(error) => (None, Some(Opened::Failed(error))),
                        Ok((answer, sender)) => {
                            let id = sender.stream_id().as_u32();
                            self.stage = Stage::Asked(requests, answer, sender);
                            self.alarm.ring();
                            (Some(self), Some(Opened::Asked(id)))
                        }
                    }
                }
            },
            Stage::Asked(requests, mut answer, sender) => {
                match Pin::new(&mut answer).poll(&mut cx) {
                    Poll::Pending => {
                        self.stage = Stage::Asked(requests, answer, sender);
                        (Some(self), None)
                    }
                    Poll::Ready(Err(error)) => (None, Some(Opened::Failed(error))),
                    Poll::Ready(Ok(answer)) => match answer.status().as_u16() {
                        200 => (None, Some(Opened::Yes(Tap::new(answer.into_body(), sender)))),
                        status => (None, Some(Opened::No(status))),
                    },
                }
            }
        }
    }
}

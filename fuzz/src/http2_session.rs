//! What an authenticated peer may send after TLS, into the session of a proxy.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Instant,
};

use bytes::Bytes;
use causeway::protocol::http2::{
    self, Guard, Io, Outgoing, Reason, RecvStream, SendStream, Windows, Wire, server,
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const WINDOWS: Windows = Windows { stream: 100_000, connection: 200_000 };
const STREAMS_MAX: u32 = 20;
/// Polls without new input after which a session that still wants to run is in a loop.
const POLLS_MAX: usize = 10_000;
/// What we may be made to send for a byte received: an answer with its reason for a short head.
const ECHO_FACTOR: usize = 64;

#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// One session and what it has accepted.
struct Served {
    connection: Option<server::Connection<Io<Bytes>, Bytes>>,
    streams: Vec<(RecvStream, SendStream<Bytes>)>,
    accepted: usize,
    sent_bytes: usize,
    outgoing: Outgoing,
    updates: u32,
    wire: Wire<Bytes>,
    flag: Arc<Flag>,
}

/// The first byte says how the rest is cut and whether a preface comes before it; a session is
/// served to its end as the relay would.
pub fn http2_session(data: &[u8]) {
    let Some((how, bytes)) = data.split_first() else { return };
    let piece = [1, 9, 100, usize::MAX][usize::from(*how) & 3];
    let bytes = match how & 4 {
        0 => [PREFACE, bytes].concat(),
        _ => bytes.to_vec(),
    };
    let (wire, io) = Wire::new();
    let mut shaking = Box::pin(http2::server_builder(WINDOWS, STREAMS_MAX).handshake(io));
    let now = Instant::now();
    let mut served = Served {
        connection: None,
        streams: Vec::new(),
        accepted: 0,
        sent_bytes: 0,
        outgoing: Outgoing::of_proxy(now),
        updates: 0,
        wire,
        flag: Arc::new(Flag::default()),
    };
    let mut guard = Guard::for_client_bytes(now);
    let mut arrived = 0;
    let mut pieces = bytes.chunks(piece.min(bytes.len().max(1)));
    loop {
        guard.expect_updates(std::mem::take(&mut served.updates));
        let (piece, flood) = match pieces.next() {
            Some(piece) => (Some(piece), guard.inspect(piece, now).is_err()),
            None => (None, false),
        };
        match piece.filter(|_| !flood) {
            Some(piece) => served.wire.deliver(Bytes::copy_from_slice(piece)),
            None if how & 8 == 0 => served.wire.end(Ok(())),
            None => served.wire.end(Err(io::ErrorKind::ConnectionReset)),
        }
        arrived += piece.map_or(0, <[u8]>::len);
        if served.connection.is_none() {
            let waker = Waker::from(served.flag.clone());
            match shaking.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(Ok(connection)) => served.connection = Some(connection),
                Poll::Ready(Err(_)) => return,
                Poll::Pending => {
                    served.flush();
                    if piece.is_none() {
                        return;
                    }
                    continue;
                }
            }
        }
        if flood && let Some(connection) = &mut served.connection {
            connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
        }
        let over = served.run();
        assert!(served.sent_bytes <= 1024 + ECHO_FACTOR * arrived, "too much for {arrived} bytes");
        if over {
            return;
        }
        assert!(piece.is_some() && !flood, "the session outlives its connection");
    }
}

impl Served {
    /// Runs until nothing more happens. Whether the session is over.
    fn run(&mut self) -> bool {
        let waker = Waker::from(self.flag.clone());
        let mut cx = Context::from_waker(&waker);
        for _ in 0..POLLS_MAX {
            self.flag.0.store(false, Ordering::Relaxed);
            let Some(connection) = &mut self.connection else { return true };
            let accepted = connection.poll_accept(&mut cx);
            match accepted {
                Poll::Ready(None | Some(Err(_))) => {
                    self.connection = None;
                    self.read(&mut cx);
                    self.flush();
                    return true;
                }
                Poll::Ready(Some(Ok((asked, answer)))) => {
                    self.accept(asked, answer);
                    continue;
                }
                Poll::Pending => {}
            }
            self.read(&mut cx);
            self.flush();
            if !self.flag.0.load(Ordering::Relaxed) {
                return false;
            }
        }
        panic!("the session does not come to rest");
    }

    fn accept(&mut self, asked: http2::Asked<RecvStream>, mut answer: server::SendResponse<Bytes>) {
        self.accepted += 1;
        match http2::parse_request(&asked) {
            Ok(_) if !self.accepted.is_multiple_of(3) => {
                if let Ok(mut sender) = answer.send_response(http2::answer_established(), false) {
                    let _ = sender.send_data(Bytes::from_static(b"welcome"), false);
                    self.streams.push((asked.into_body(), sender));
                }
            }
            // The task that would answer is gone.
            Ok(_) => {}
            Err(refusal) => {
                let _ = answer.send_response(http2::answer_refusal(&refusal), true);
            }
        }
    }

    /// Reads every stream dry; one that has ended or failed is let go.
    fn read(&mut self, cx: &mut Context<'_>) {
        self.streams.retain_mut(|(body, sender)| {
            loop {
                match body.poll_data(cx) {
                    Poll::Ready(Some(Ok(bytes))) => {
                        let _ = body.flow_control().release_capacity(bytes.len());
                    }
                    Poll::Ready(None) => {
                        let _ = sender.send_data(Bytes::new(), true);
                        return false;
                    }
                    Poll::Ready(Some(Err(_))) => return false,
                    Poll::Pending => return true,
                }
            }
        });
    }

    fn flush(&mut self) {
        let waker = Waker::from(self.flag.clone());
        let mut cx = Context::from_waker(&waker);
        while let Poll::Ready(Some(bytes)) = self.wire.poll_output(&mut cx) {
            self.sent_bytes += bytes.len();
            self.updates += self.outgoing.inspect(&bytes, Instant::now()).updates;
        }
    }
}

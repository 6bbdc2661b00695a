//! The thread that sends spans to a collector: OTLP over HTTP/1.1, a connection a batch.

use std::{
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};

use crossbeam_channel::{Receiver, after, select};

use super::{Settings, Span, handle::Tally, otlp};
use crate::limits;

/// Gathers spans and sends them.
#[derive(Debug)]
pub(super) struct Exporter {
    settings: Settings,
    tally: Arc<Tally>,
    /// Whether the last batch was not taken.
    failing: bool,
}

impl Exporter {
    pub(super) fn new(settings: Settings, tally: Arc<Tally>) -> Self {
        Self { settings, tally, failing: false }
    }

    /// Sends until `ended` is dropped.
    pub(super) fn run(mut self, inbox: &Receiver<Span>, ended: &Receiver<()>) {
        let mut batch = Vec::new();
        loop {
            let end = gather(&mut batch, inbox, ended);
            if !batch.is_empty() {
                self.send(&batch);
                batch.clear();
            }
            if end && (inbox.is_empty() || self.failing) {
                // Nobody takes them: the process must not wait for a collector that is away.
                self.tally.lost.fetch_add(inbox.len() as u64, Relaxed);
                return;
            }
        }
    }

    /// Sends a batch, once: spans that nobody takes are counted and gone.
    fn send(&mut self, batch: &[Span]) {
        let body = otlp::request(self.settings.role, batch);
        let outcome = self.post(&body);
        let spans = batch.len() as u64;
        match &outcome {
            Ok(()) => self.tally.sent.fetch_add(spans, Relaxed),
            Err(_) => self.tally.lost.fetch_add(spans, Relaxed),
        };
        let before = std::mem::replace(&mut self.failing, outcome.is_err());
        match outcome {
            Err(error) if !before => tracing::warn!(
                %error, host = self.settings.host, port = self.settings.port,
                "spans cannot be sent; see [tracing] otlp_endpoint"
            ),
            Ok(()) if before => tracing::info!("spans are sent again"),
            _ => {}
        }
    }

    fn post(&self, body: &str) -> io::Result<()> {
        let Settings { host, port, path, .. } = &self.settings;
        let mut addresses = (host.as_str(), *port).to_socket_addrs()?;
        let address =
            addresses.next().ok_or_else(|| io::Error::other("the host has no address"))?;
        let mut stream = TcpStream::connect_timeout(&address, limits::TRACE_SEND_TIMEOUT)?;
        stream.set_write_timeout(Some(limits::TRACE_SEND_TIMEOUT))?;
        stream.set_read_timeout(Some(limits::TRACE_SEND_TIMEOUT))?;
        let authority = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: {authority}:{port}\r\nUser-Agent: causeway/{}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            env!("CARGO_PKG_VERSION"),
            body.len()
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())?;
        judge(&mut stream)
    }
}

/// Waits for spans and takes what is there, until a batch is full or old enough. Says whether the
/// thread is to end.
fn gather(batch: &mut Vec<Span>, inbox: &Receiver<Span>, ended: &Receiver<()>) -> bool {
    let due = Instant::now() + limits::TRACE_FLUSH;
    while batch.len() < limits::TRACE_BATCH_SPANS {
        select! {
            recv(inbox) -> span => match span {
                Ok(span) => batch.push(span),
                Err(_) => return true,
            },
            recv(ended) -> _ => {
                batch.extend(inbox.try_iter().take(limits::TRACE_BATCH_SPANS));
                return true;
            }
            recv(after(due.saturating_duration_since(Instant::now()))) -> _ => return false,
        }
    }
    false
}

/// Reads the head of the answer; 2xx is the one that counts.
fn judge(stream: &mut TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    let mut bytes = [0; 1024];
    while head.len() < limits::HEAD_BYTES_MAX {
        let received = stream.read(&mut bytes)?;
        head.extend_from_slice(&bytes[..received]);
        let mut fields = [httparse::EMPTY_HEADER; limits::HEAD_FIELDS_MAX];
        let mut answer = httparse::Response::new(&mut fields);
        // The status line is enough: the collector's words are for its own log.
        let _ = answer.parse(&head);
        match answer.code {
            Some(200..300) => return Ok(()),
            Some(code) => return Err(io::Error::other(format!("the collector answers {code}"))),
            None if received == 0 => break,
            None => {}
        }
    }
    Err(io::Error::other("the collector does not answer in HTTP"))
}

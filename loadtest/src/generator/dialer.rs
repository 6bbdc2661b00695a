//! Opening streams to a target.

use std::{cell::Cell, net::SocketAddr};

use bytes::Bytes;
use h2::client::SendRequest;

use super::{
    connect, plain,
    stream::{self, Reader, Writer},
    tls::{ClientFiles, TlsClient},
};
use crate::failure::Failure;

/// What a tunnel reads at a time: many streams share it.
const TUNNEL_READ_BYTES: usize = 256 * 1024;

/// What is under load, and how it is spoken to.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// Plain TCP: a service itself, or a connector's local port.
    Plain(SocketAddr),
    /// TLS that carries the stream's bytes and nothing else.
    Tls(SocketAddr, ClientFiles),
    /// HTTP/1.1 CONNECT in TLS, one stream a connection.
    ConnectHttp1(SocketAddr, ClientFiles, String),
    /// HTTP/2 CONNECT in TLS, many streams a connection.
    ConnectHttp2(SocketAddr, ClientFiles, String),
}

/// Opens streams to one target.
pub(crate) struct Dialer {
    address: SocketAddr,
    route: Route,
}

enum Route {
    Plain,
    Tls(TlsClient),
    Http1(TlsClient, String),
    Http2 { tunnels: Vec<SendRequest<Bytes>>, next: Cell<usize>, authority: String },
}

impl Dialer {
    /// Reads certificates and opens tunnels, as far as the target needs them.
    pub(crate) async fn prepare(
        target: Target,
        tunnels: usize,
        resume: bool,
    ) -> Result<Self, Failure> {
        let (address, route) = match target {
            Target::Plain(address) => (address, Route::Plain),
            Target::Tls(address, files) => {
                (address, Route::Tls(TlsClient::load(&files, b"", resume)?))
            }
            Target::ConnectHttp1(address, files, authority) => {
                (address, Route::Http1(TlsClient::load(&files, b"http/1.1", resume)?, authority))
            }
            Target::ConnectHttp2(address, files, authority) => {
                let tls = TlsClient::load(&files, b"h2", resume)?;
                let mut open = Vec::new();
                for _ in 0..tunnels {
                    let socket = plain::dial(address).await?;
                    let secured = tls.secure(socket, TUNNEL_READ_BYTES).await?;
                    open.push(connect::tunnel(secured).await?);
                }
                (address, Route::Http2 { tunnels: open, next: Cell::new(0), authority })
            }
        };
        Ok(Self { address, route })
    }

    /// Whether streams are TLS without HTTP.
    pub(super) fn is_bare_tls(&self) -> bool {
        matches!(self.route, Route::Tls(_))
    }

    /// A new stream; `read_bytes` is the most that one read of it takes.
    pub(super) async fn open(&self, read_bytes: usize) -> Result<(Reader, Writer), Failure> {
        match &self.route {
            Route::Plain => Ok(stream::plain(plain::dial(self.address).await?, read_bytes)),
            Route::Tls(tls) => {
                let secured = tls.secure(plain::dial(self.address).await?, read_bytes).await?;
                Ok(stream::tls(secured, read_bytes))
            }
            Route::Http1(tls, authority) => {
                let mut secured = tls.secure(plain::dial(self.address).await?, read_bytes).await?;
                connect::over_http1(&mut secured, authority).await?;
                Ok(stream::tls(secured, read_bytes))
            }
            Route::Http2 { tunnels, next, authority } => {
                let turn = next.get();
                next.set(turn.wrapping_add(1));
                let tunnel = &tunnels[turn % tunnels.len()];
                let (send, receive) = connect::over_http2(tunnel, authority).await?;
                Ok(stream::http2(send, receive))
            }
        }
    }
}

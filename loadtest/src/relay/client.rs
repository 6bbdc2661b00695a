//! The relay's side of the clients: TCP in front; behind it TLS, a connection for each stream, or
//! HTTP/2 CONNECT over a few tunnels.

use std::{io, net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc};

use bytes::Bytes;
use h2::client::SendRequest;
use http::{Method, Request, StatusCode};
use rustls::pki_types::ServerName;
use tokio::{
    io::copy_bidirectional_with_sizes,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::forward::{
    BUFFER_BYTES, FRAME_BYTES_MAX, STREAM_WINDOW_BYTES, TUNNEL_WINDOW_BYTES, dial, from_tunnel,
    to_tunnel,
};
use crate::{
    failure::{Failure, While as _},
    generator::{ClientFiles, client_config},
};

/// What CONNECT asks for; the other side has one service only.
const AUTHORITY: &str = "loadtest:443";

/// Plain TCP in front, TLS with a client certificate behind.
#[derive(Debug, clap::Args)]
pub(crate) struct RelayClientArgs {
    /// Where it listens.
    #[arg(long)]
    listen: SocketAddr,
    /// The other side, where every stream goes.
    #[arg(long)]
    proxy: SocketAddr,
    /// PEM: its certificate.
    #[arg(long)]
    certificate: PathBuf,
    /// PEM: the key of it.
    #[arg(long)]
    key: PathBuf,
    /// PEM: the authorities of the other side's certificate.
    #[arg(long)]
    ca: PathBuf,
    /// The name expected in that certificate.
    #[arg(long)]
    server_name: String,
    /// Many streams a connection by HTTP/2 CONNECT; otherwise one, without HTTP.
    #[arg(long)]
    h2: bool,
    /// Connections that the streams share.
    #[arg(long, default_value_t = 4)]
    tunnels: usize,
}

/// Dials the other side.
#[derive(Clone)]
struct Proxy {
    address: SocketAddr,
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl RelayClientArgs {
    /// Serves until the process is ended.
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let files = ClientFiles {
            ca: self.ca.clone(),
            identity: Some((self.certificate.clone(), self.key.clone())),
            server_name: self.server_name.clone(),
        };
        let alpn: &[u8] = if self.h2 { b"h2" } else { b"" };
        // Sessions are resumed, as by every other contestant in its own way.
        let config = client_config(&files, alpn, true)?;
        let name = ServerName::try_from(self.server_name.clone()).during(&self.server_name)?;
        let connector = TlsConnector::from(Arc::new(config));
        let proxy = Proxy { address: self.proxy, connector, name };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            if self.h2 {
                multiplexed(self.listen, &proxy, self.tunnels).await
            } else {
                direct(self.listen, &proxy).await
            }
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Proxy {
    async fn connect(&self) -> io::Result<TlsStream<TcpStream>> {
        self.connector.connect(self.name.clone(), dial(self.address).await?).await
    }
}

/// A connection for each stream.
async fn direct(listen: SocketAddr, proxy: &Proxy) -> io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    loop {
        let (mut client, _) = listener.accept().await?;
        let proxy = proxy.clone();
        tokio::spawn(async move {
            client.set_nodelay(true)?;
            let mut proxy = proxy.connect().await?;
            copy_bidirectional_with_sizes(&mut client, &mut proxy, BUFFER_BYTES, BUFFER_BYTES).await
        });
    }
}

/// Streams take the tunnels in turn; a tunnel that breaks is not replaced.
async fn multiplexed(listen: SocketAddr, proxy: &Proxy, tunnels: usize) -> io::Result<()> {
    let mut open = Vec::new();
    for _ in 0..tunnels {
        let (requests, connection) = h2::client::Builder::new()
            .initial_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(TUNNEL_WINDOW_BYTES)
            .max_frame_size(FRAME_BYTES_MAX)
            .enable_push(false)
            .handshake::<_, Bytes>(proxy.connect().await?)
            .await
            .map_err(io::Error::other)?;
        tokio::spawn(connection);
        open.push(requests);
    }
    let listener = TcpListener::bind(listen).await?;
    for tunnel in (0..open.len()).cycle() {
        let (client, _) = listener.accept().await?;
        tokio::spawn(stream(client, open[tunnel].clone()));
    }
    Ok(())
}

async fn stream(client: TcpStream, tunnel: SendRequest<Bytes>) -> io::Result<()> {
    client.set_nodelay(true)?;
    let request = Request::builder().method(Method::CONNECT).uri(AUTHORITY).body(());
    let mut tunnel = tunnel.ready().await.map_err(io::Error::other)?;
    let request = request.map_err(io::Error::other)?;
    let (answer, up) = tunnel.send_request(request, false).map_err(io::Error::other)?;
    let answer = answer.await.map_err(io::Error::other)?;
    if answer.status() != StatusCode::OK {
        return Err(io::Error::other(answer.status().to_string()));
    }
    let (read, write) = client.into_split();
    tokio::try_join!(to_tunnel(read, up), from_tunnel(answer.into_body(), write)).map(|_| ())
}

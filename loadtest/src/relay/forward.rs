//! The streams of the relay's server side: the straightforward way with tokio's and h2's own tools.

use std::{future::poll_fn, io, net::SocketAddr};

use bytes::Bytes;
use h2::{RecvStream, SendStream, server::SendResponse};
use http::{Method, Request, Response, StatusCode};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional_with_sizes},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// Eight times tokio's default, where larger ones stop to pay with a plain copy loop.
pub(super) const BUFFER_BYTES: usize = 64 * 1024;
/// Windows that bulk over loopback does not fill.
pub(super) const STREAM_WINDOW_BYTES: u32 = 1 << 20;
pub(super) const TUNNEL_WINDOW_BYTES: u32 = 16 << 20;
pub(super) const FRAME_BYTES_MAX: u32 = 64 * 1024;

/// Accepts for ever; a connection that fails ends alone.
pub(super) async fn serve(
    listen: SocketAddr,
    service: SocketAddr,
    acceptor: TlsAcceptor,
    h2: bool,
) -> io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    loop {
        let (client, _) = listener.accept().await?;
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            client.set_nodelay(true)?;
            let client = acceptor.accept(client).await?;
            if h2 {
                tunnel(client, service).await.map_err(io::Error::other)
            } else {
                stream(client, service).await
            }
        });
    }
}

pub(super) async fn dial(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(address).await?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

/// One stream, the whole connection.
async fn stream(mut client: TlsStream<TcpStream>, service: SocketAddr) -> io::Result<()> {
    let mut service = dial(service).await?;
    copy_bidirectional_with_sizes(&mut client, &mut service, BUFFER_BYTES, BUFFER_BYTES).await?;
    Ok(())
}

/// Many streams, each asked for by CONNECT.
async fn tunnel(client: TlsStream<TcpStream>, service: SocketAddr) -> Result<(), h2::Error> {
    let mut connection = h2::server::Builder::new()
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(TUNNEL_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .handshake(client)
        .await?;
    while let Some(asked) = connection.accept().await {
        let (request, respond) = asked?;
        tokio::spawn(connect(request, respond, service));
    }
    Ok(())
}

async fn connect(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    service: SocketAddr,
) -> io::Result<()> {
    let mut answer = Response::new(());
    let service = if request.method() == Method::CONNECT { dial(service).await.ok() } else { None };
    let Some(service) = service else {
        *answer.status_mut() = StatusCode::BAD_GATEWAY;
        respond.send_response(answer, true).map_err(io::Error::other)?;
        return Ok(());
    };
    let down = respond.send_response(answer, false).map_err(io::Error::other)?;
    let (read, write) = service.into_split();
    tokio::try_join!(from_tunnel(request.into_body(), write), to_tunnel(read, down)).map(|_| ())
}

/// From a tunnel to a socket.
pub(super) async fn from_tunnel(mut from: RecvStream, mut to: OwnedWriteHalf) -> io::Result<()> {
    while let Some(data) = from.data().await {
        let data = data.map_err(io::Error::other)?;
        to.write_all(&data).await?;
        from.flow_control().release_capacity(data.len()).map_err(io::Error::other)?;
    }
    to.shutdown().await
}

/// From a socket to a tunnel.
pub(super) async fn to_tunnel(
    mut from: OwnedReadHalf,
    mut to: SendStream<Bytes>,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return to.send_data(Bytes::new(), true).map_err(io::Error::other);
        }
        let mut data = Bytes::copy_from_slice(&buffer[..length]);
        while !data.is_empty() {
            to.reserve_capacity(data.len());
            let room = match to.capacity() {
                0 => poll_fn(|context| to.poll_capacity(context))
                    .await
                    .ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe))?
                    .map_err(io::Error::other)?,
                room => room,
            };
            let piece = data.split_to(room.min(data.len()));
            to.send_data(piece, false).map_err(io::Error::other)?;
        }
    }
}

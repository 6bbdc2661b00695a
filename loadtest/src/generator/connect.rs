//! CONNECT as a client: HTTP/1.1, one stream a connection, and HTTP/2, many.

use std::{future::poll_fn, io};

use bytes::Bytes;
use h2::{RecvStream, SendStream, client::SendRequest};
use http::{Method, Request, StatusCode, Uri};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::tls::Secured;
use crate::failure::{Failure, While as _};

/// Of an HTTP/1.1 answer; what a refusal says fits many times.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Windows that no bulk transfer over loopback fills: the generator must not be what holds it up.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const TUNNEL_WINDOW_BYTES: u32 = 64 << 20;
/// The largest DATA frame the generator takes.
const FRAME_BYTES_MAX: u32 = 64 * 1024;

/// Asks for `authority` on a fresh connection and reads the answer's head.
pub(super) async fn over_http1(tls: &mut Secured, authority: &str) -> Result<(), Failure> {
    let request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    tls.write_all(request.as_bytes()).await.during("CONNECT")?;
    tls.flush().await.during("CONNECT")?;
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
        let mut piece = [0; 1024];
        let length = tls.read(&mut piece).await.during("answer to CONNECT")?;
        if length == 0 {
            break;
        }
        head.extend_from_slice(&piece[..length]);
    }
    // No service of a load test speaks first, so nothing may follow the head.
    if head.starts_with(b"HTTP/1.1 200 ") && head.ends_with(b"\r\n\r\n") {
        return Ok(());
    }
    let answer = String::from_utf8_lossy(&head);
    Err(Failure(format!("CONNECT {authority} was answered {:?}", answer.trim_end())))
}

/// Makes a connection a tunnel for many streams; its frames move in a task of their own.
pub(super) async fn tunnel(tls: Secured) -> Result<SendRequest<Bytes>, Failure> {
    let (requests, connection) = h2::client::Builder::new()
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(TUNNEL_WINDOW_BYTES)
        .max_frame_size(FRAME_BYTES_MAX)
        .max_send_buffer_size(1 << 20)
        .enable_push(false)
        .handshake(tls)
        .await
        .during("HTTP/2 handshake")?;
    // An error of the connection reaches every stream on it; nobody else needs it.
    tokio::task::spawn_local(async move { drop(connection.await) });
    Ok(requests)
}

/// Opens a stream in a tunnel.
pub(super) async fn over_http2(
    tunnel: &SendRequest<Bytes>,
    authority: &str,
) -> Result<(SendStream<Bytes>, RecvStream), Failure> {
    let during = || format!("CONNECT {authority}");
    let uri: Uri = authority.parse().during(during())?;
    let request = Request::builder().method(Method::CONNECT).uri(uri).body(()).during(during())?;
    let mut tunnel = tunnel.clone().ready().await.during(during())?;
    let (answer, send) = tunnel.send_request(request, false).during(during())?;
    let answer = answer.await.during(during())?;
    if answer.status() != StatusCode::OK {
        let why = answer.headers().get("proxy-status").map(|value| value.to_str().unwrap_or("?"));
        let (status, why) = (answer.status(), why.unwrap_or("no Proxy-Status"));
        return Err(Failure(format!("CONNECT {authority} was answered {status}, {why}")));
    }
    Ok((send, answer.into_body()))
}

/// Sends as credit allows; `data` is not copied.
pub(super) async fn send(stream: &mut SendStream<Bytes>, mut data: Bytes) -> io::Result<()> {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let mut room = stream.capacity();
        if room == 0 {
            room = poll_fn(|context| stream.poll_capacity(context))
                .await
                .ok_or_else(|| io::Error::from(io::ErrorKind::BrokenPipe))?
                .map_err(io::Error::other)?;
        }
        let piece = data.split_to(room.min(data.len()));
        if !piece.is_empty() {
            stream.send_data(piece, false).map_err(io::Error::other)?;
        }
    }
    Ok(())
}

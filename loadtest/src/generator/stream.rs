//! One stream to the service in two halves, whatever carries it.

use std::io;

use bytes::Bytes;
use h2::{RecvStream, SendStream};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf, split},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::{connect, tls::Secured};

/// The half that bytes from the service come out of.
pub(super) struct Reader {
    from: From,
    buffer: Vec<u8>,
    frame: Bytes,
}

enum From {
    Plain(OwnedReadHalf),
    Tls(ReadHalf<Secured>),
    Http2(RecvStream),
}

/// The half that bytes for the service go into.
pub(super) enum Writer {
    Plain(OwnedWriteHalf),
    Tls(WriteHalf<Secured>),
    Http2(SendStream<Bytes>),
}

/// Halves of a TCP connection; `read_bytes` is the most that one read takes.
pub(super) fn plain(socket: TcpStream, read_bytes: usize) -> (Reader, Writer) {
    let (read, write) = socket.into_split();
    (Reader::new(From::Plain(read), read_bytes), Writer::Plain(write))
}

/// Halves of a TLS connection.
pub(super) fn tls(secured: Secured, read_bytes: usize) -> (Reader, Writer) {
    let (read, write) = split(secured);
    (Reader::new(From::Tls(read), read_bytes), Writer::Tls(write))
}

/// Halves of a stream of HTTP/2; the tunnel has the buffers.
pub(super) fn http2(send: SendStream<Bytes>, receive: RecvStream) -> (Reader, Writer) {
    (Reader::new(From::Http2(receive), 0), Writer::Http2(send))
}

impl Reader {
    fn new(from: From, read_bytes: usize) -> Self {
        Self { from, buffer: vec![0; read_bytes], frame: Bytes::new() }
    }

    /// What arrived, until the next call; empty at the end of the stream.
    pub(super) async fn receive(&mut self) -> io::Result<&[u8]> {
        let length = match &mut self.from {
            From::Plain(read) => read.read(&mut self.buffer).await?,
            From::Tls(read) => read.read(&mut self.buffer).await?,
            From::Http2(stream) => {
                self.frame = loop {
                    match stream.data().await {
                        // An empty frame is not the end.
                        Some(Ok(frame)) if frame.is_empty() => {}
                        Some(Ok(frame)) => break frame,
                        Some(Err(error)) => return Err(io::Error::other(error)),
                        None => break Bytes::new(),
                    }
                };
                let credit = stream.flow_control().release_capacity(self.frame.len());
                credit.map_err(io::Error::other)?;
                return Ok(&self.frame);
            }
        };
        Ok(&self.buffer[..length])
    }

    /// Receives exactly `expected`, and nothing else.
    pub(super) async fn expect(&mut self, mut expected: &[u8]) -> io::Result<()> {
        while !expected.is_empty() {
            let piece = self.receive().await?;
            if piece.is_empty() {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if !expected.starts_with(piece) {
                return Err(io::Error::other("the echo is not what was sent"));
            }
            expected = &expected[piece.len()..];
        }
        Ok(())
    }
}

impl Writer {
    /// Sends all of `data`.
    pub(super) async fn send(&mut self, data: &Bytes) -> io::Result<()> {
        match self {
            Self::Plain(write) => write.write_all(data).await,
            Self::Tls(write) => {
                write.write_all(data).await?;
                write.flush().await
            }
            Self::Http2(stream) => connect::send(stream, data.clone()).await,
        }
    }

    /// Says that no more comes; the other direction goes on.
    pub(super) async fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(write) => write.shutdown().await,
            Self::Tls(write) => write.shutdown().await,
            Self::Http2(stream) => stream.send_data(Bytes::new(), true).map_err(io::Error::other),
        }
    }
}

//! Thousands of clients and their service, a thread for each side instead of one for each.

use std::{net::SocketAddr, thread};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
    task::JoinSet,
    time::timeout,
};

use super::{DEADLINE, Pattern};

/// Opens this many streams at a time: more would overrun the backlogs on the way.
const OPENING_MAX: usize = 200;

/// An echo service for any number of clients. It lives as long as the test process.
pub fn echo_for_crowds() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    // The standard library's backlog is 128; listening again sets another.
    socket2::SockRef::from(&listener).listen(4096).unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(echo(stream));
            }
        });
    });
    address
}

async fn echo(mut stream: TcpStream) {
    let mut bytes = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut bytes).await {
        if stream.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
    // A client that is gone already needs no end.
    let _ = stream.shutdown().await;
}

/// Clients that are all connected at the same moment.
pub struct Crowd {
    runtime: Runtime,
    streams: Vec<TcpStream>,
    pattern: Pattern,
}

impl Crowd {
    /// Connects `size` clients; each has had its first byte back.
    pub fn open(address: SocketAddr, size: usize, pattern: Pattern) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let mut streams = Vec::with_capacity(size);
        runtime.block_on(async {
            let mut opening = JoinSet::new();
            let mut begun = 0;
            while streams.len() < size {
                while begun < size && opening.len() < OPENING_MAX {
                    opening.spawn(open_one(address));
                    begun += 1;
                }
                let opened = opening.join_next().await.expect("some are being opened");
                streams.push(opened.unwrap());
            }
        });
        Self { runtime, streams, pattern }
    }

    /// Every client sends `bytes` of its own and checks what comes back, all at once.
    pub fn echo(&mut self, bytes: usize) {
        let pattern = self.pattern;
        let streams = std::mem::take(&mut self.streams);
        self.streams = self.runtime.block_on(async move {
            let mut echoing = JoinSet::new();
            for (number, stream) in streams.into_iter().enumerate() {
                echoing.spawn(echo_one(stream, Pattern(pattern.0 ^ number as u64), bytes));
            }
            let mut streams = Vec::new();
            while let Some(stream) = echoing.join_next().await {
                streams.push(stream.unwrap());
            }
            streams
        });
    }

    /// Every client ends its direction and hears the end of the other.
    pub fn finish(self) {
        let Self { runtime, streams, .. } = self;
        runtime.block_on(async move {
            let mut ending = JoinSet::new();
            for mut stream in streams {
                ending.spawn(async move {
                    stream.shutdown().await.unwrap();
                    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0, "a clean end");
                });
            }
            while let Some(ended) = ending.join_next().await {
                ended.unwrap();
            }
        });
    }
}

async fn open_one(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(&[7]).await.unwrap();
    let mut byte = [0];
    timeout(2 * DEADLINE, stream.read_exact(&mut byte)).await.expect("a hang").unwrap();
    assert_eq!(byte, [7]);
    stream
}

async fn echo_one(mut stream: TcpStream, pattern: Pattern, total: usize) -> TcpStream {
    let (mut reading, mut writing) = stream.split();
    let sending = async {
        let mut bytes = [0; 4096];
        for at in (0..total).step_by(bytes.len()) {
            let piece = bytes.len().min(total - at);
            pattern.fill(at as u64, &mut bytes[..piece]);
            writing.write_all(&bytes[..piece]).await.unwrap();
        }
    };
    let checking = async {
        let mut bytes = [0; 4096];
        let mut at = 0;
        while at < total {
            let heard = timeout(2 * DEADLINE, reading.read(&mut bytes)).await;
            let read = heard.expect("a hang").unwrap();
            assert!(read > 0, "the end after {at} of {total} bytes");
            pattern.check(at as u64, &bytes[..read]);
            at += read;
        }
    };
    tokio::join!(sending, checking);
    stream
}

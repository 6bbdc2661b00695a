//! Services behind the proxy: plain TCP servers on loopback, a thread per connection.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

/// A running service. Its threads end with their connections.
pub struct Service {
    pub address: SocketAddr,
    accepted: Arc<AtomicUsize>,
}

impl Service {
    /// Calls `serve` on a thread of its own for every connection.
    pub fn start(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        Self::on("127.0.0.1:0", serve)
    }

    /// Like [`Service::start`], on an address of the test's choice.
    pub fn on(address: &str, serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let serve = Arc::new(serve);
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = accepted.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                count.fetch_add(1, Relaxed);
                let serve = serve.clone();
                let spawned = thread::Builder::new().stack_size(256 * 1024);
                spawned.spawn(move || serve(stream)).unwrap();
            }
        });
        Self { address, accepted }
    }

    /// Sends back what comes, and ends when the client ends.
    pub fn echo() -> Self {
        Self::start(|mut stream| {
            let mut bytes = vec![0; 64 * 1024];
            while let Ok(read @ 1..) = stream.read(&mut bytes) {
                if stream.write_all(&bytes[..read]).is_err() {
                    return;
                }
            }
            let _ = stream.shutdown(Shutdown::Write);
        })
    }

    /// Says `text` and ends.
    pub fn banner(text: impl Into<String>) -> Self {
        let text = text.into();
        Self::start(move |mut stream| {
            let _ = stream.write_all(text.as_bytes());
            let _ = stream.shutdown(Shutdown::Write);
            // Whoever closes with bytes unread resets what was said.
            let _ = stream.read(&mut [0; 1024]);
        })
    }

    /// Answers one HTTP request per connection with 200 and `text`.
    pub fn http(text: &'static str) -> Self {
        Self::start(move |mut stream| {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") {
                match stream.read(&mut byte) {
                    Ok(1) => head.push(byte[0]),
                    _ => return,
                }
            }
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
                text.len()
            );
            let _ = stream.write_all(answer.as_bytes());
        })
    }

    /// Connections accepted so far.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Relaxed)
    }
}

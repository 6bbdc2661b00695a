//! A TCP load balancer in front of replicas, as a Service of Kubernetes is one: it sends new
//! connections to those that say they are ready, by turns, and never tries a second one.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use super::{join, reset};

/// How often readiness is asked for; a kubelet takes seconds.
const PERIOD: Duration = Duration::from_millis(100);

/// Where a replica is.
#[derive(Debug, Clone, Copy)]
pub struct Replica {
    pub tunnel: SocketAddr,
    pub admin: SocketAddr,
    /// The path that answers 200 while it takes connections.
    pub question: &'static str,
}

/// A running balancer; it ends when dropped, what it carries goes on.
pub struct Balancer {
    pub address: SocketAddr,
    state: Arc<State>,
}

struct State {
    replicas: Vec<(Replica, AtomicBool, AtomicUsize)>,
    /// Connections that went to a replica which did not take them, or to none.
    lost: AtomicUsize,
    stopped: AtomicBool,
}

impl Balancer {
    /// In front of these, of which none is ready yet.
    pub fn over(replicas: &[Replica]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let replicas = replicas.iter().map(|one| (*one, false.into(), 0.into())).collect();
        let state = Arc::new(State { replicas, lost: 0.into(), stopped: AtomicBool::new(false) });
        let (asking, accepting) = (state.clone(), state.clone());
        thread::spawn(move || {
            while !asking.stopped.load(Relaxed) {
                for (replica, ready, _) in &asking.replicas {
                    ready.store(is_ready(replica).unwrap_or(false), Relaxed);
                }
                thread::sleep(PERIOD); // pace: of the questions
            }
        });
        thread::spawn(move || {
            for (turn, near) in listener.incoming().flatten().enumerate() {
                if accepting.stopped.load(Relaxed) {
                    return;
                }
                accepting.forward(turn, near);
            }
        });
        Self { address, state }
    }

    /// How many it sends connections to.
    pub fn ready(&self) -> usize {
        self.state.replicas.iter().filter(|(_, ready, _)| ready.load(Relaxed)).count()
    }

    /// Connections each replica got.
    pub fn taken(&self) -> Vec<usize> {
        self.state.replicas.iter().map(|(.., taken)| taken.load(Relaxed)).collect()
    }

    /// Connections that no replica took.
    pub fn lost(&self) -> usize {
        self.state.lost.load(Relaxed)
    }
}

impl State {
    fn forward(&self, turn: usize, near: TcpStream) {
        let ready: Vec<_> =
            self.replicas.iter().filter(|(_, ready, _)| ready.load(Relaxed)).collect();
        let chosen = ready.get(turn % ready.len().max(1));
        let far = chosen.and_then(|(replica, ..)| TcpStream::connect(replica.tunnel).ok());
        match (chosen, far) {
            (Some((.., taken)), Some(far)) => {
                taken.fetch_add(1, Relaxed);
                join(near, far, |_| ());
            }
            _ => {
                self.lost.fetch_add(1, Relaxed);
                reset(near);
            }
        }
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.state.stopped.store(true, Relaxed);
        let _wake = TcpStream::connect(self.address);
    }
}

fn is_ready(replica: &Replica) -> std::io::Result<bool> {
    const WITHIN: Duration = Duration::from_secs(5);
    let mut stream = TcpStream::connect_timeout(&replica.admin, WITHIN)?;
    stream.set_read_timeout(Some(WITHIN))?;
    let question = replica.question;
    write!(stream, "GET {question} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.starts_with("HTTP/1.1 200 "))
}

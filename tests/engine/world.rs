//! What every case starts from: an event loop, a pool, connected pairs of sockets.

use std::{
    future::Future,
    io::{ErrorKind, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    time::Duration,
};

use causeway::{
    engine::{Buffer, BufferPool, Driver, Kind, Runtime, SizeClass, Socket},
    limits,
};

/// Longer than any case takes on a busy machine; reaching it means something hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// The event loop's handles, inside `block_on`.
pub(crate) struct World {
    pub(crate) driver: Driver,
    pub(crate) pool: BufferPool,
}

impl World {
    /// A pool without registered buffers beside the registered one.
    pub(crate) fn plain_pool(&self) -> BufferPool {
        BufferPool::new(&self.driver, limits::POOL_BYTES_SOFT_MAX, 0)
    }

    /// Our socket and a blocking one of the standard library at its other end.
    pub(crate) fn pair(&self) -> (Socket, TcpStream) {
        let (ours, theirs) = std_pair();
        (Socket::adopt(&self.driver, ours.into()).unwrap(), theirs)
    }

    /// The same just after a receive that was full: under io_uring the next one of ours goes
    /// through the ring, and holds a buffer.
    pub(crate) async fn greedy_pair(&self) -> (Socket, TcpStream) {
        let bytes = SizeClass::Medium.bytes();
        let (ours, mut theirs) = std_pair();
        socket2::SockRef::from(&ours).set_recv_buffer_size(8 * bytes).unwrap();
        let theirs = elsewhere(move || {
            theirs.write_all(&vec![1; bytes]).unwrap();
            theirs
        })
        .await;
        let mut seen = vec![0; bytes];
        while ours.peek(&mut seen).unwrap() < bytes {
            self.round().await;
        }
        let ours = Socket::adopt(&self.driver, ours.into()).unwrap();
        let first = ours.recv(&self.pool, SizeClass::Medium).await.unwrap();
        assert_eq!(first.len(), bytes, "a full receive");
        (ours, theirs)
    }

    /// Whether a receive through the ring is under way: no other holds a buffer while it waits.
    pub(crate) fn ring_receives(&self) -> bool {
        self.pool.bytes_in_use() > 0
    }

    /// Waits until a receive has begun: under io_uring one of a greedy pair's goes to the ring.
    pub(crate) async fn until_it_receives(&self) {
        self.round().await;
        if self.driver.kind() == Kind::IoUring {
            self.until(|| self.ring_receives()).await;
        }
    }

    /// Two sockets of the engine, connected to each other.
    pub(crate) fn engine_pair(&self) -> (Socket, Socket) {
        let (ours, theirs) = self.pair();
        (ours, Socket::adopt(&self.driver, theirs.into()).unwrap())
    }

    /// A buffer that holds `bytes`.
    pub(crate) fn filled(&self, class: SizeClass, bytes: &[u8]) -> Buffer {
        let mut buffer = self.pool.take(class);
        buffer.spare_mut()[..bytes.len()].copy_from_slice(bytes);
        buffer.fill(bytes.len());
        buffer
    }

    /// Lets everything else run until `condition` holds.
    pub(crate) async fn until(&self, condition: impl Fn() -> bool) {
        while !condition() {
            self.round().await;
        }
    }

    /// Lets the event loop go idle once: by then every queued operation is with the kernel.
    /// (Yielding would keep it busy, and a busy loop submits nothing to its ring.)
    pub(crate) async fn round(&self) {
        tokio::time::sleep(Duration::from_millis(1)).await; // pace: one turn of the loop
    }
}

pub(crate) fn std_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let theirs = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener.accept().unwrap().0, theirs)
}

/// Runs blocking work of the peer on another thread.
pub(crate) async fn elsewhere<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// Runs `case` on the engine `kind`. Where io_uring cannot be used the case is skipped aloud, or
/// fails when CAUSEWAY_REQUIRE_IO_URING=1 says that it must work here.
pub(crate) fn run<F: Future<Output = ()>>(kind: Kind, name: &str, case: impl FnOnce(World) -> F) {
    let mut runtime = match Runtime::new(kind) {
        Ok(runtime) => runtime,
        Err(error) if kind == Kind::IoUring => {
            let required = std::env::var_os("CAUSEWAY_REQUIRE_IO_URING").is_some_and(|v| v == "1");
            assert!(!required, "io_uring is required and unavailable: {error}");
            eprintln!("SKIPPED io_uring: {name}: {error}");
            return;
        }
        Err(error) => panic!("no {kind} event loop: {error}"),
    };
    let driver = runtime.driver();
    let done = runtime.block_on(async {
        let registered = limits::REGISTERED_BYTES_PER_WORKER;
        let pool = BufferPool::new(&driver, limits::POOL_BYTES_SOFT_MAX, registered);
        let world = World { driver, pool };
        tokio::time::timeout(PATIENCE, case(world)).await
    });
    if done.is_err() {
        // Ending the event loop would wait for a peer's thread that hangs as well.
        std::mem::forget(runtime);
        panic!("{name} hangs");
    }
}

/// Whether an error is what a reset connection gives.
pub(crate) fn is_reset(kind: ErrorKind) -> bool {
    kind == ErrorKind::ConnectionReset
}

/// A test per engine for each of the named async functions.
#[macro_export]
macro_rules! on_both_engines {
    ($($case:ident),* $(,)?) => {
        mod io_uring {
            $(#[test] fn $case() {
                let kind = causeway::engine::Kind::IoUring;
                $crate::world::run(kind, stringify!($case), super::$case);
            })*
        }
        mod epoll {
            $(#[test] fn $case() {
                let kind = causeway::engine::Kind::Epoll;
                $crate::world::run(kind, stringify!($case), super::$case);
            })*
        }
    };
}

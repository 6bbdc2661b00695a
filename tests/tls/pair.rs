//! A client and a server session with the bytes in flight between them.

use causeway::tls::{ClientTls, ServerTls, Session, TlsError, sealed_len};

/// How many bytes of the wire a side sees at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Split {
    All,
    Every(usize),
    Random(u64),
}

/// One side and what was sent to it but not consumed by it.
pub(crate) struct Side {
    pub(crate) session: Box<dyn Session>,
    pub(crate) incoming: Vec<u8>,
    pub(crate) shown: usize,
    pub(crate) done: bool,
}

pub(crate) struct Pair {
    pub(crate) client: Side,
    pub(crate) server: Side,
    split: Split,
    random: fastrand::Rng,
}

/// What a side got: bytes, and whether it ended cleanly.
#[derive(Default, PartialEq, Eq, Debug)]
pub(crate) struct Got {
    pub(crate) plain: Vec<u8>,
    pub(crate) closed: bool,
}

impl Side {
    fn new(session: Box<dyn Session>) -> Self {
        Self { session, incoming: Vec::new(), shown: 0, done: false }
    }
}

impl Pair {
    pub(crate) fn new(client: &ClientTls, server: &ServerTls, name: &str, split: Split) -> Self {
        let seed = if let Split::Random(seed) = split { seed } else { 0 };
        Self {
            client: Side::new(client.connect(name).unwrap()),
            server: Side::new(server.accept().unwrap()),
            split,
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// A pair that has shaken hands.
    pub(crate) fn open(client: &ClientTls, server: &ServerTls, split: Split) -> Self {
        let mut pair = Self::new(client, server, "proxy.test", split);
        pair.shake().unwrap();
        pair
    }

    fn step(split: Split, random: &mut fastrand::Rng, left: usize) -> usize {
        match split {
            Split::All => left,
            Split::Every(bytes) => bytes.min(left),
            Split::Random(_) => random.usize(1..=2000).min(left),
        }
    }

    fn shake_one(
        side: &mut Side,
        out: &mut Vec<u8>,
        split: Split,
        random: &mut fastrand::Rng,
    ) -> Result<(), TlsError> {
        loop {
            let step = side.session.handshake(&mut side.incoming[..side.shown], out);
            side.incoming.drain(..step.consumed);
            side.shown -= step.consumed;
            side.done = step.state?;
            if side.done || side.shown == side.incoming.len() {
                return Ok(());
            }
            side.shown += Self::step(split, random, side.incoming.len() - side.shown);
        }
    }

    /// Hands records to and fro until both are done. The error is the first one of either side;
    /// the alert is delivered to the other side's input.
    pub(crate) fn shake(&mut self) -> Result<(), (&'static str, TlsError)> {
        for _ in 0..20 {
            if !self.client.done {
                let mut out = Vec::new();
                let done =
                    Self::shake_one(&mut self.client, &mut out, self.split, &mut self.random);
                self.server.incoming.extend(out);
                done.map_err(|error| ("client", error))?;
            }
            if !self.server.done {
                let mut out = Vec::new();
                let done =
                    Self::shake_one(&mut self.server, &mut out, self.split, &mut self.random);
                self.client.incoming.extend(out);
                done.map_err(|error| ("server", error))?;
            }
            if self.client.done && self.server.done {
                return Ok(());
            }
        }
        panic!("the handshake does not end");
    }

    /// Only the server's part, for what the client's failure sent to it.
    pub(crate) fn shake_server(&mut self) -> Result<(), (&'static str, TlsError)> {
        let mut out = Vec::new();
        Self::shake_one(&mut self.server, &mut out, self.split, &mut self.random)
            .map_err(|error| ("server", error))
    }

    pub(crate) fn send(&mut self, from_client: bool, plain: &[u8]) {
        let (from, to) = self.sides(from_client);
        to.incoming.extend(seal(from, plain));
    }

    pub(crate) fn close(&mut self, from_client: bool) {
        let (from, to) = self.sides(from_client);
        from.session.close_notify(&mut to.incoming);
    }

    pub(crate) fn refresh(&mut self, from_client: bool) {
        let (from, to) = self.sides(from_client);
        from.session.refresh_keys(&mut to.incoming).unwrap();
    }

    /// Opens all that is in flight to one side, with `space` bytes for plaintext at a time.
    pub(crate) fn receive(&mut self, at_client: bool, space: usize) -> Result<Got, TlsError> {
        let split = self.split;
        let mut random = self.random.fork();
        let (other, side) = self.sides(!at_client);
        let mut got = Got::default();
        let mut plain = vec![0; space];
        loop {
            let (mut control, shown) = (Vec::new(), side.shown);
            let opened = side.session.open(&mut side.incoming[..shown], &mut plain, &mut control);
            other.incoming.extend(control);
            let opened = opened?;
            side.incoming.drain(..opened.consumed);
            side.shown -= opened.consumed;
            got.plain.extend_from_slice(&plain[..opened.produced]);
            got.closed |= opened.closed;
            if opened.full {
                assert!(opened.produced > 0 || space < 16_384, "full without a byte");
                if opened.produced > 0 {
                    continue;
                }
                return Ok(got);
            }
            if side.shown == side.incoming.len() {
                return Ok(got);
            }
            side.shown += Self::step(split, &mut random, side.incoming.len() - side.shown);
        }
    }

    pub(crate) fn sides(&mut self, from_client: bool) -> (&mut Side, &mut Side) {
        if from_client {
            (&mut self.client, &mut self.server)
        } else {
            (&mut self.server, &mut self.client)
        }
    }
}

pub(crate) fn seal(side: &mut Side, plain: &[u8]) -> Vec<u8> {
    let mut sealed = vec![0; sealed_len(plain.len())];
    let length = side.session.seal(plain, &mut sealed).unwrap();
    sealed.truncate(length);
    sealed
}

pub(crate) fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at * 31 % 251) as u8).collect()
}

//! What one stream of each kind of load does.

use std::{
    cell::Cell,
    io::ErrorKind,
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::{
    sync::{Notify, Semaphore},
    task::yield_now,
};

use super::{
    dialer::Dialer,
    rotating::{Waiting, take_turns},
    schedule::{Alarm, Schedule},
    stream::{Reader, Writer},
};
use crate::{
    failure::{Failure, While as _},
    record::Meter,
    scenario::{Kind, Load},
    service::{BOTH, ECHO, SINK, SOURCE},
};

/// What a bulk stream sends and reads at a time.
const BULK_BYTES: usize = 256 * 1024;
/// Streams that are opened at the same time before a measurement: a burst of handshakes is a load
/// of its own.
const OPENING_MAX: usize = 32;
/// After a failed operation, so that a refusing target is not asked in a tight loop.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(10);

/// Everything the streams of a scenario share.
pub(super) struct Stage {
    pub(super) dialer: Dialer,
    opening: Semaphore,
    ready: Cell<usize>,
    changed: Notify,
    start: Cell<Option<Instant>>,
    started: Notify,
}

impl Stage {
    pub(super) fn new(dialer: Dialer) -> Self {
        Self {
            dialer,
            opening: Semaphore::new(OPENING_MAX),
            ready: Cell::new(0),
            changed: Notify::new(),
            start: Cell::new(None),
            started: Notify::new(),
        }
    }

    /// Waits until `streams` of them are open.
    pub(super) async fn all_ready(&self, streams: usize) {
        while self.ready.get() < streams {
            self.changed.notified().await;
        }
    }

    /// Lets all of them begin.
    pub(super) fn begin(&self) {
        self.start.set(Some(Instant::now()));
        self.started.notify_waiters();
    }

    /// One more stream is open: waits for the others; answers when the load began.
    pub(super) async fn wait_for_start(&self) -> Instant {
        self.ready.set(self.ready.get() + 1);
        self.changed.notify_one();
        loop {
            let started = self.started.notified();
            if let Some(start) = self.start.get() {
                return start;
            }
            started.await;
        }
    }

    pub(super) async fn open(&self, read_bytes: usize) -> Result<(Reader, Writer), Failure> {
        let _turn = self.opening.acquire().await.during("opening")?;
        self.dialer.open(read_bytes).await
    }
}

/// Stream number `stream` of a load, until it fails or is dropped. All streams of a load have the
/// same `waiting`.
pub(super) async fn play(
    stage: Rc<Stage>,
    load: Load,
    stream: usize,
    waiting: Waiting,
    meter: Rc<Meter>,
) {
    let done = match load.kind {
        Kind::BulkUp => upload(&stage, &meter).await,
        Kind::BulkDown => download(&stage, &meter).await,
        Kind::BulkBoth => both(&stage, &meter).await,
        Kind::PingPong => match load.active {
            None => ping_pong(&stage, &load, stream, &meter).await,
            Some(active) => take_turns(&stage, &load, active, stream, waiting, &meter).await,
        },
        Kind::OpenEchoClose => open_echo_close(&stage, &load, stream, &meter).await,
        Kind::Idle => idle(&stage, &load).await,
        Kind::StalledReader => stalled(&stage).await,
    };
    if let Err(Failure(why)) = done {
        meter.failed(why);
        // Whoever waits for all to be ready must see the error and not wait for this one.
        stage.changed.notify_one();
    }
}

fn filled(first: u8, bytes: usize) -> Bytes {
    let mut message: Vec<u8> = (0..bytes).map(|at| (at % 251) as u8).collect();
    message[0] = first;
    Bytes::from(message)
}

async fn upload(stage: &Stage, meter: &Meter) -> Result<(), Failure> {
    let (_reader, mut writer) = stage.open(1024).await?;
    writer.send(&filled(SINK, 1)).await.during("upload")?;
    stage.wait_for_start().await;
    send_on(&mut writer, meter).await
}

async fn send_on(writer: &mut Writer, meter: &Meter) -> Result<(), Failure> {
    let data = filled(SINK, BULK_BYTES);
    loop {
        writer.send(&data).await.during("upload")?;
        meter.sent(data.len());
        // tokio lets a task go on for many pieces; the pings beside it would wait for all of them.
        yield_now().await;
    }
}

async fn download(stage: &Stage, meter: &Meter) -> Result<(), Failure> {
    let (mut reader, mut writer) = stage.open(BULK_BYTES).await?;
    stage.wait_for_start().await;
    writer.send(&filled(SOURCE, 1)).await.during("download")?;
    receive_on(&mut reader, meter).await
}

async fn receive_on(reader: &mut Reader, meter: &Meter) -> Result<(), Failure> {
    let mut at_a_stretch = 0;
    loop {
        let length = reader.receive().await.during("download")?.len();
        if length == 0 {
            return Err(Failure("the service's bytes ended".to_owned()));
        }
        meter.received(length);
        at_a_stretch += length;
        if at_a_stretch >= BULK_BYTES {
            at_a_stretch = 0;
            yield_now().await;
        }
    }
}

async fn both(stage: &Stage, meter: &Meter) -> Result<(), Failure> {
    let (mut reader, mut writer) = stage.open(BULK_BYTES).await?;
    stage.wait_for_start().await;
    writer.send(&filled(BOTH, 1)).await.during("upload")?;
    tokio::try_join!(send_on(&mut writer, meter), receive_on(&mut reader, meter)).map(|_| ())
}

async fn stalled(stage: &Stage) -> Result<(), Failure> {
    let (_reader, mut writer) = stage.open(1024).await?;
    stage.wait_for_start().await;
    writer.send(&filled(SOURCE, 1)).await.during("stalled reader")?;
    // Both halves must stay open, and nobody may read.
    std::future::pending().await
}

/// A stream after its first echo: only then it is known to reach the service, because a plain port
/// accepts before anything behind it is open.
pub(super) async fn opened(stage: &Stage, load: &Load) -> Result<(Reader, Writer, Bytes), Failure> {
    let (mut reader, mut writer) = stage.open(load.bytes.max(4096)).await?;
    let message = filled(ECHO, load.bytes);
    writer.send(&message).await.during("first message of a stream")?;
    reader.expect(&message).await.during("first message of a stream")?;
    Ok((reader, writer, message))
}

async fn idle(stage: &Stage, load: &Load) -> Result<(), Failure> {
    // Both halves must stay open.
    let (mut reader, _writer, _) = opened(stage, load).await?;
    stage.wait_for_start().await;
    match reader.receive().await.during("idle stream")? {
        [] => Err(Failure("an idle stream was closed by the other side".to_owned())),
        _ => Err(Failure("an idle stream received bytes nobody sent".to_owned())),
    }
}

/// When the operations of a stream begin.
pub(super) struct Pace {
    open_loop: Option<(Schedule, Alarm, Instant)>,
    turn: u64,
}

impl Pace {
    /// Of number `stream` out of `streams`, which have `per_second` operations together.
    pub(super) fn new(
        per_second: Option<f64>,
        streams: usize,
        stream: usize,
        start: Instant,
    ) -> Result<Self, Failure> {
        let open_loop = match per_second {
            Some(rate) => {
                let schedule = Schedule::new(rate, streams, stream);
                Some((schedule, Alarm::new().during("timer")?, start))
            }
            None => None,
        };
        Ok(Self { open_loop, turn: 0 })
    }

    /// The moment from which the latency of the next operation counts, once it is there.
    pub(super) async fn next(&mut self) -> Result<Instant, Failure> {
        let Some((schedule, alarm, start)) = &mut self.open_loop else {
            return Ok(Instant::now());
        };
        let due = *start + schedule.due(self.turn);
        self.turn += 1;
        alarm.wait_until(due).await.during("timer")?;
        Ok(due)
    }
}

async fn ping_pong(
    stage: &Stage,
    load: &Load,
    stream: usize,
    meter: &Meter,
) -> Result<(), Failure> {
    let (mut reader, mut writer, message) = opened(stage, load).await?;
    let start = stage.wait_for_start().await;
    let mut pace = Pace::new(load.per_second(), load.streams, stream, start)?;
    loop {
        let from = pace.next().await?;
        writer.send(&message).await.during("ping")?;
        reader.expect(&message).await.during("ping")?;
        meter.sent(message.len());
        meter.received(message.len());
        meter.done(from.elapsed());
    }
}

async fn open_echo_close(
    stage: &Stage,
    load: &Load,
    stream: usize,
    meter: &Meter,
) -> Result<(), Failure> {
    let message = filled(ECHO, load.bytes);
    let start = stage.wait_for_start().await;
    let mut pace = Pace::new(load.per_second(), load.streams, stream, start)?;
    loop {
        let from = pace.next().await?;
        match open_once(stage, &message).await {
            Ok(answered) => {
                meter.sent(message.len());
                meter.received(message.len());
                meter.done(answered.saturating_duration_since(from));
            }
            Err(Failure(why)) => {
                meter.failed(why);
                tokio::time::sleep(PAUSE_AFTER_ERROR).await;
            }
        }
    }
}

/// Answers when the echo was complete; the close is part of the work and not of the latency.
async fn open_once(stage: &Stage, message: &Bytes) -> Result<Instant, Failure> {
    let (mut reader, mut writer) = stage.dialer.open(message.len().max(4096)).await?;
    writer.send(message).await.during("echo on a new stream")?;
    reader.expect(message).await.during("echo on a new stream")?;
    let answered = Instant::now();
    writer.finish().await.during("close")?;
    match reader.receive().await {
        // nginx ends TCP without ending TLS. Where only TLS carries the stream, as with every peer,
        // that is let pass: the echo was complete. From Causeway it would be a lost ending.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof && stage.dialer.is_bare_tls() => {
            Ok(answered)
        }
        Err(error) => Err(Failure(format!("close: {error}"))),
        Ok([]) => Ok(answered),
        Ok(_) => Err(Failure("bytes after the echo that nobody sent".to_owned())),
    }
}

//! Waiting for the signals that a process is told by, on the main thread.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    runtime::{Builder, Runtime},
    signal::unix::{Signal, SignalKind, signal},
    sync::Notify,
};

/// Ends a process from inside as SIGTERM does from outside.
#[derive(Debug, Clone, Default)]
pub(super) struct EndSwitch(Arc<Notify>);

impl EndSwitch {
    /// Ends the wait for the end, now or when it begins. Pressed again it does nothing.
    pub(super) fn press(&self) {
        self.0.notify_one();
    }
}

/// The signals of a role, noticed from the moment this exists.
pub(super) struct Signals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
    hangup: Option<Signal>,
}

impl Signals {
    /// Notices SIGTERM and SIGINT, and SIGHUP, which then ends nothing. To be called before anybody
    /// is told that there is somebody to send them to.
    pub(super) fn listen() -> io::Result<Self> {
        let signals = Self::of_the_end()?;
        let hangup = {
            let _entered = signals.runtime.enter();
            signal(SignalKind::hangup())?
        };
        Ok(Self { hangup: Some(hangup), ..signals })
    }

    fn of_the_end() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (terminate, interrupt) = {
            let _entered = runtime.enter();
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
        };
        Ok(Self { runtime, terminate, interrupt, hangup: None })
    }

    /// Blocks until SIGTERM or SIGINT arrives, or `switch` is pressed. `daily` is called once a day
    /// meanwhile, `reload` for each SIGHUP. Says what ended it.
    pub(super) fn wait_for_end(
        self,
        switch: &EndSwitch,
        mut daily: impl FnMut(),
        mut reload: impl FnMut(),
    ) -> &'static str {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        let Self { runtime, mut terminate, mut interrupt, mut hangup } = self;
        runtime.block_on(async {
            let mut days = tokio::time::interval_at(tokio::time::Instant::now() + DAY, DAY);
            let mut hung_up = async || match &mut hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            };
            loop {
                tokio::select! {
                    _ = terminate.recv() => return "SIGTERM",
                    _ = interrupt.recv() => return "SIGINT",
                    () = switch.0.notified() => return "the admin API",
                    _ = hung_up() => reload(),
                    _ = days.tick() => daily(),
                }
            }
        })
    }
}

/// Blocks until SIGTERM or SIGINT arrives.
pub(super) fn wait_for_end() -> io::Result<&'static str> {
    Ok(Signals::of_the_end()?.wait_for_end(&EndSwitch::default(), || (), || ()))
}

/// From now on another SIGTERM or SIGINT ends the process at once, without waiting for streams.
pub(super) fn end_on_second() -> io::Result<()> {
    std::thread::Builder::new().name("signals".to_owned()).spawn(|| {
        if let Ok(name) = wait_for_end() {
            tracing::warn!("{name} again; ending without waiting for streams");
            std::process::exit(1);
        }
    })?;
    Ok(())
}

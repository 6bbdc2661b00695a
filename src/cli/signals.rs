//! Waiting for the signals that end a process, on the main thread.

use std::{sync::Arc, time::Duration};

use tokio::{
    signal::unix::{SignalKind, signal},
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

/// Blocks until SIGTERM or SIGINT arrives, or `switch` is pressed. `daily` is called once a day
/// meanwhile. Says what it was.
pub(super) fn wait_for_end(
    switch: &EndSwitch,
    mut daily: impl FnMut(),
) -> std::io::Result<&'static str> {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    on_main_thread(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut days = tokio::time::interval_at(tokio::time::Instant::now() + DAY, DAY);
        loop {
            tokio::select! {
                _ = terminate.recv() => return Ok("SIGTERM"),
                _ = interrupt.recv() => return Ok("SIGINT"),
                () = switch.0.notified() => return Ok("the admin API"),
                _ = days.tick() => daily(),
            }
        }
    })
}

/// From now on another SIGTERM or SIGINT ends the process at once, without waiting for streams.
pub(super) fn end_on_second() -> std::io::Result<()> {
    std::thread::Builder::new().name("signals".to_owned()).spawn(|| {
        if let Ok(name) = wait_for_end(&EndSwitch::default(), || ()) {
            tracing::warn!("{name} again; ending without waiting for streams");
            std::process::exit(1);
        }
    })?;
    Ok(())
}

fn on_main_thread<T>(future: impl Future<Output = std::io::Result<T>>) -> std::io::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}

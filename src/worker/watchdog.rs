//! A worker that panics takes the process down: a worker that silently serves nobody is worse
//! than a restart that everybody sees.

use std::sync::Once;

/// Worker threads are named with this prefix.
pub(super) const THREAD_PREFIX: &str = "causeway-";

/// From now on a panic on a worker thread, in any of its tasks, aborts the process after the
/// usual panic message.
pub(super) fn abort_on_worker_panic() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            usual(panic);
            let thread = std::thread::current();
            let name = thread.name().unwrap_or_default();
            if name.starts_with(THREAD_PREFIX) {
                tracing::error!(worker = name, "a worker panicked; the process ends");
                eprintln!("causeway: worker {name} panicked; the process ends");
                std::process::abort();
            }
        }));
    });
}

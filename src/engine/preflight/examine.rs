//! Everything the preflight looks at, for `causeway doctor`.

use super::{
    choose::registered_bytes,
    judge::{self, Verdict},
    observe::Observed,
};
use crate::{
    engine::{PinWanted, cores, process},
    limits,
};

/// What one look at the host found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub name: &'static str,
    /// Whether all is well.
    pub ok: bool,
    /// What was found.
    pub found: String,
    /// What to do about it, exactly.
    pub fix: Option<String>,
    /// What happens as long as nothing is done.
    pub consequence: Option<String>,
}

/// All findings, the most important first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Examination {
    /// In the order they are shown.
    pub findings: Vec<Finding>,
}

/// Looks at everything the engine depends on, for `workers` workers (0: one per usable core).
#[must_use]
pub fn examine(workers: usize) -> Examination {
    let plan = cores::plan(workers, PinWanted::Auto);
    let seen = Observed::now();
    let (soft, hard) = process::open_files().unwrap_or((0, 0));
    let sessions = u64::try_from(limits::SESSIONS_PER_WORKER_MAX).unwrap_or(u64::MAX);
    let ring = judge::ring(&seen);
    let memlock = judge::memlock(&seen, registered_bytes(plan.cores.len()));
    let files = judge::open_files(soft, hard, sessions);
    let cores = Verdict { ok: true, found: plan.line, fix: None };
    Examination {
        findings: vec![
            finding("io_uring", ring, "the epoll engine serves, at some more CPU per byte"),
            finding("locked memory", memlock, "buffers stay unregistered, which costs little"),
            finding("open files", files, "connections beyond that are refused"),
            finding("cores", cores, ""),
        ],
    }
}

fn finding(name: &'static str, verdict: Verdict, consequence: &str) -> Finding {
    let consequence = (!verdict.ok).then(|| consequence.to_owned());
    Finding { name, ok: verdict.ok, found: verdict.found, fix: verdict.fix, consequence }
}

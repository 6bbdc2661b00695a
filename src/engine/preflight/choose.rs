//! Chooses the engine and says why in one line.

use super::{
    judge::{self, Verdict},
    observe::Observed,
};
use crate::{engine::Kind, limits};

/// What the configuration asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// io_uring where it works, else epoll.
    Auto,
    /// io_uring or nothing.
    IoUring,
    /// epoll, without looking further.
    Epoll,
}

/// The engine and the line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The engine all workers use.
    pub kind: Kind,
    /// What was found, why, the fix and the consequence.
    pub line: String,
}

/// Chooses the engine for `workers` workers. Takes as long as the self-test, at most about 1 s.
///
/// # Errors
/// When io_uring is demanded and cannot be used: what was found and the fix, the same words a
/// fall-back is logged with.
pub fn choose(wanted: Wanted, workers: usize) -> Result<Chosen, String> {
    match wanted {
        Wanted::Epoll => {
            Ok(Chosen { kind: Kind::Epoll, line: "engine=epoll (as configured)".to_owned() })
        }
        Wanted::Auto | Wanted::IoUring => decide(wanted, workers, &Observed::now()),
    }
}

fn decide(wanted: Wanted, workers: usize, seen: &Observed) -> Result<Chosen, String> {
    let ring = judge::ring(seen);
    if ring.ok {
        return Ok(Chosen { kind: Kind::IoUring, line: accepted(seen, workers) });
    }
    let reason = sentence(&ring);
    if wanted == Wanted::IoUring {
        return Err(format!("engine=io_uring is configured but cannot be used: {reason}"));
    }
    let line =
        format!("engine=epoll: {reason} Until then epoll does the same at some more CPU per byte.");
    Ok(Chosen { kind: Kind::Epoll, line })
}

fn accepted(seen: &Observed, workers: usize) -> String {
    let flags = seen.setup.unwrap_or("none");
    let memlock = judge::memlock(seen, registered_bytes(workers));
    let mut line = format!("engine=io_uring kernel={} flags={flags}", seen.kernel);
    if !memlock.ok {
        line.push_str("; buffers stay unregistered, which costs little: ");
        line.push_str(&sentence(&memlock));
    }
    line
}

pub(super) fn registered_bytes(workers: usize) -> u64 {
    u64::try_from(workers * limits::REGISTERED_BYTES_PER_WORKER).unwrap_or(u64::MAX)
}

fn sentence(verdict: &Verdict) -> String {
    match &verdict.fix {
        Some(fix) => format!("{}. To change that: {fix}.", verdict.found),
        None => format!("{}.", verdict.found),
    }
}

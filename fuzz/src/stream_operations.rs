//! What may happen to the streams of a session, decided by the fuzzer.

use super::model::{Choices, run};

/// Longest script; more would only run longer, not deeper.
const SCRIPT_BYTES_MAX: usize = 4096;

/// Runs the simulation by a script.
pub fn stream_operations(data: &[u8]) {
    let script = &data[..data.len().min(SCRIPT_BYTES_MAX)];
    if let Err(problem) = run(Choices::scripted(script)) {
        panic!("{problem}");
    }
}

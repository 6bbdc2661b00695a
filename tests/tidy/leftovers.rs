//! What must not stay: markers of unfinished work, tests switched off, sleeps in tests.

use crate::source::{Finding, Source, line_of, words};

/// No marker of unfinished work, and no test is ignored without saying why.
pub(crate) fn markers(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let marker = concat!("FIX", "ME");
    for offset in words(&source.prose, marker) {
        findings
            .push(source.finding(line_of(&source.prose, offset), format!("{marker} left over")));
    }
    for name in ["todo", "unimplemented", "dbg"] {
        for offset in words(&source.code, name) {
            if source.code[offset + name.len()..].starts_with('!') {
                findings.push(source.finding_at(offset, format!("{name}! left over")));
            }
        }
    }
    for (offset, _) in source.code.match_indices("#[ignore]") {
        findings.push(source.finding_at(offset, "an ignored test says why: #[ignore = \"…\"]"));
    }
    findings
}

/// A test waits for what it waits for; the clock is for pacing a peer and for deadlines, and the
/// line, or the one above it, says so.
pub(crate) fn sleeps(source: &Source) -> Vec<Finding> {
    if !source.path.starts_with("tests/") {
        return Vec::new();
    }
    let raw: Vec<&str> = source.raw.lines().collect();
    let excused = |line: usize| {
        let around = &raw[line.saturating_sub(2)..line];
        around.iter().any(|text| text.contains("// pace:") || text.contains("// deadline:"))
    };
    let mut findings = Vec::new();
    for name in ["sleep", "sleep_until"] {
        for offset in words(&source.code, name) {
            let called = source.code[offset + name.len()..].trim_start().starts_with('(');
            let line = line_of(&source.code, offset);
            if called && !excused(line) {
                findings.push(source.finding(line, "a test must not sleep to synchronise"));
            }
        }
    }
    findings
}

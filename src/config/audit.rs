//! `[audit]`: where the audit's records go.

use std::path::PathBuf;

use super::{document::Document, raw};
use crate::limits;

/// What is recorded and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditConfig {
    /// Where records go.
    pub sink: AuditSink,
    /// Events that may wait to be written.
    pub queue_events: usize,
    /// Whether a stream that could not be recorded is refused.
    pub required: bool,
}

/// Where records go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditSink {
    /// Standard output.
    Stdout,
    /// A file.
    File {
        /// Its path.
        path: PathBuf,
        /// Rotated when it is longer; 0 never.
        rotate_bytes: u64,
        /// Rotated files that are kept.
        keep_files: usize,
    },
    /// Nowhere.
    Off,
}

#[derive(Clone, Copy)]
enum Kind {
    Stdout,
    File,
    Off,
}

pub(super) fn audit(document: &mut Document<'_>, raw: &raw::Audit) -> Option<AuditConfig> {
    let kinds = [("stdout", Kind::Stdout), ("file", Kind::File), ("off", Kind::Off)];
    let kind = document.choice("audit.sink", raw.sink.as_deref(), &kinds, Kind::Stdout);
    let queue_events = document.number(
        "audit.queue_events",
        raw.queue_events.unwrap_or(limits::AUDIT_QUEUE_EVENTS as i64),
        limits::AUDIT_QUEUE_EVENTS_MIN..=limits::AUDIT_QUEUE_EVENTS_MAX,
    );
    let rotate_bytes = document.number(
        "audit.rotate_bytes",
        raw.rotate_bytes.unwrap_or(limits::AUDIT_ROTATE_BYTES as i64),
        0..=u64::MAX,
    );
    let keep_files = document.number(
        "audit.keep_files",
        raw.keep_files.unwrap_or(limits::AUDIT_KEEP_FILES as i64),
        1..=limits::AUDIT_KEEP_FILES_MAX,
    );
    let file = document.optional_file("audit.file", raw.file.as_deref());
    let sink = match kind? {
        Kind::Stdout => AuditSink::Stdout,
        Kind::Off => AuditSink::Off,
        Kind::File => AuditSink::File {
            path: document.required("audit.file", file, "\"/var/log/causeway/audit.log\"")?,
            rotate_bytes: rotate_bytes?,
            keep_files: keep_files?,
        },
    };
    let required = raw.required.unwrap_or(false);
    if required && sink == AuditSink::Off {
        document.fault("audit.required", "is true while nothing is recorded; set audit.sink");
    }
    Some(AuditConfig { sink, queue_events: queue_events?, required })
}

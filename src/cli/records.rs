//! What a process writes down besides its log, as configured.

use super::node::Failure;
use crate::{
    config::{AuditConfig, AuditSink, TracesConfig},
    telemetry::{
        Audit, Records, Traces,
        audit::{self, AuditThread, Target},
        trace::{self, TraceThread},
    },
};

/// The threads that write records down; each writes what there is and ends when it is dropped.
pub(super) struct Recording {
    _audit: Option<AuditThread>,
    _traces: Option<TraceThread>,
}

/// Begins to write down what is configured.
pub(super) fn start(
    role: &'static str,
    audit: &AuditConfig,
    traces: Option<&TracesConfig>,
) -> Result<(Records, Recording), Failure> {
    let (audit, audit_thread) = start_audit(role, audit)?;
    let (traces, trace_thread) = match traces {
        None => (Traces::default(), None),
        Some(config) => {
            let settings = trace::Settings {
                role,
                host: config.host.clone(),
                port: config.port,
                path: config.path.clone(),
                sample_ratio: config.sample_ratio,
            };
            let (traces, thread) = Traces::start(settings)?;
            (traces, Some(thread))
        }
    };
    Ok((Records { audit, traces }, Recording { _audit: audit_thread, _traces: trace_thread }))
}

fn start_audit(
    role: &'static str,
    config: &AuditConfig,
) -> Result<(Audit, Option<AuditThread>), Failure> {
    let (target, place) = match &config.sink {
        AuditSink::Off => return Ok((Audit::default(), None)),
        AuditSink::Stdout => (Target::Stdout, "standard output".to_owned()),
        AuditSink::File { path, rotate_bytes, keep_files } => {
            let (rotate_bytes, keep_files) = (*rotate_bytes, *keep_files);
            (
                Target::File { path: path.clone(), rotate_bytes, keep_files },
                path.display().to_string(),
            )
        }
    };
    let settings = audit::Settings {
        role,
        target,
        queue_events: config.queue_events,
        required: config.required,
    };
    let started = Audit::start(settings);
    let (audit, thread) = started.map_err(|error| {
        Failure(format!("the audit cannot use {place}: {error}; correct [audit] file and sink"))
    })?;
    Ok((audit, Some(thread)))
}

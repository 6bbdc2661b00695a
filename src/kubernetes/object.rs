//! What we keep of one `ServiceMapping`: its mapping or what is wrong with it, and its status.

use std::sync::Arc;
use std::time::Instant;

use kube::api::DynamicObject;

use super::resource::ServiceMappingStatus;
use crate::mapping::{Mapping, Problem, Tenancy, read_object};

/// One object of the cluster.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) version: String,
    pub(super) generation: Option<i64>,
    /// Seconds since 1970, which is all the API keeps of it.
    pub(super) created: i64,
    pub(super) finding: Result<Arc<Mapping>, Fault>,
    /// The status as the API has it, as far as we know.
    pub(super) status: ServiceMappingStatus,
    pub(super) verdict: Option<Verdict>,
    pub(super) reach: Reach,
    pub(super) written: Option<Written>,
}

/// Why a spec gives no mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// Whether an object is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is.
    Accepted,
    /// Another one has its service; this is the other's name.
    Conflict(String),
    /// Its spec gives no mapping.
    Faulty,
}

/// What dialling the internal address showed.
#[derive(Debug, Default)]
pub(super) struct Reach {
    pub(super) last: Option<Result<(), String>>,
    /// When to dial next; at once where there is none.
    pub(super) due: Option<Instant>,
    pub(super) under_way: bool,
}

/// The status we wrote last, so that a server which stores something else (another definition of
/// the resource prunes our fields) is not asked again and again.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) at: Instant,
    pub(super) wanted: ServiceMappingStatus,
    pub(super) stored: ServiceMappingStatus,
}

impl Object {
    /// Reads an object; nothing of it is trusted to be as its schema says.
    pub(super) fn read(from: &DynamicObject, tenancy: &Tenancy) -> Self {
        let meta = &from.metadata;
        let name = meta.name.clone().unwrap_or_default();
        let spec = from.data.get("spec").unwrap_or(&serde_json::Value::Null);
        let annotations = serde_json::json!(meta.annotations);
        let finding = read_object(&name, &annotations, spec, tenancy);
        let finding = finding.map(Arc::new).map_err(|all| fault(&all));
        Self {
            uid: meta.uid.clone().unwrap_or_default(),
            version: meta.resource_version.clone().unwrap_or_default(),
            generation: meta.generation,
            created: meta.creation_timestamp.as_ref().map_or(0, |time| time.0.as_second()),
            status: status_of(from),
            name,
            finding,
            verdict: None,
            reach: Reach::default(),
            written: None,
        }
    }

    /// Takes over what we know about the same object from before it changed.
    pub(super) fn succeed(&mut self, before: Self) {
        if before.uid != self.uid {
            return;
        }
        let address = |object: &Self| object.finding.as_ref().ok().map(|m| m.address.clone());
        if address(&before) == address(self) {
            self.reach = before.reach;
        }
        self.verdict = before.verdict;
        self.written = before.written;
    }

    /// Its rank among those that claim the same service: the older first, then by uid.
    pub(super) fn rank(&self) -> (i64, &str, &str) {
        (self.created, &self.uid, &self.name)
    }
}

/// The status of an object; one that is not as we write it counts as none and is replaced.
pub(super) fn status_of(object: &DynamicObject) -> ServiceMappingStatus {
    let status = object.data.get("status").cloned().unwrap_or_default();
    serde_json::from_value(status).unwrap_or_default()
}

/// All problems of a spec as one fault. Its reason is that of the first that has one of its own.
fn fault(problems: &[Problem]) -> Fault {
    let reason = |problem: &Problem| match problem.field.as_deref() {
        Some("spec.internalAddress") => Some("InvalidAddress"),
        Some("spec.subaccountId") => Some("SubaccountRequired"),
        Some("spec.type") => Some("UnsupportedType"),
        _ => None,
    };
    let words = |problem: &Problem| match &problem.field {
        Some(field) => format!("{field}: {}", problem.message),
        None => problem.message.clone(),
    };
    Fault {
        reason: problems.iter().find_map(reason).unwrap_or("InvalidSpec"),
        message: problems.iter().map(words).collect::<Vec<_>>().join("; "),
    }
}

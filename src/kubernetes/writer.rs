//! The leader writes statuses: one at a time, by server-side apply, at a bounded rate, and only
//! where what is stored says something else than what should be.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use k8s_openapi::jiff::Timestamp;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::{
    cluster::Cluster,
    events::{Note, Tell},
    health::STATUS,
    object::{Written, status_of},
    pace::{Bucket, Pace},
    refused::{Attempt, Refused},
    resource::{API_VERSION, KIND, ServiceMappingStatus},
    status::{changed, same_words, wanted},
};
use crate::limits;

/// Under this name the fields of the status are ours, whichever replica leads.
pub(super) const FIELD_MANAGER: &str = "causeway";
const PATCH: Attempt = Attempt::mappings("patch", "servicemappings/status");

/// Writes until the thread ends.
pub(super) async fn write(cluster: Rc<Cluster>, tell: Tell) {
    let mut bucket = Bucket::new(limits::STATUS_WRITE_RATE, Instant::now());
    let mut pace = Pace::default();
    loop {
        let Some(name) = next(&cluster) else {
            cluster.to_write.notified().await;
            continue;
        };
        let Some((before, status)) = due(&cluster, &name) else { continue };
        while let Err(wait) = bucket.take(Instant::now()) {
            sleep(wait).await;
        }
        if !cluster.leads.get() {
            continue;
        }
        match patch(&cluster, &name, &status).await {
            Ok(stored) => {
                pace.succeeded();
                cluster.note(STATUS, None);
                cluster.health.tally(|tallies| tallies.status_writes += 1);
                written(&cluster, &name, (&before, status), &stored, &tell);
            }
            Err(refused) => {
                cluster.health.tally(|tallies| tallies.status_writes_failed += 1);
                let pause = failed(&cluster, &name, &refused, &mut pace);
                sleep(pause).await;
            }
        }
    }
}

/// The next object to look at.
fn next(cluster: &Cluster) -> Option<String> {
    let urgent = cluster.urgent.borrow_mut().pop_first();
    urgent.or_else(|| cluster.later.borrow_mut().pop_first())
}

/// What is stored, and the status to write if it differs.
fn due(cluster: &Rc<Cluster>, name: &str) -> Option<(ServiceMappingStatus, ServiceMappingStatus)> {
    let objects = cluster.objects.borrow();
    let object = objects.get(name)?;
    let status = wanted(object, &cluster.settings.endpoint, &now())?;
    if same_words(&status, &object.status) {
        return None;
    }
    let before = object.status.clone();
    let Some(written) = &object.written else { return Some((before, status)) };
    if !same_words(&status, &written.wanted) {
        return Some((before, status));
    }
    // We wrote exactly this. Either the server keeps something else of it, which will not change
    // by writing it again, or somebody changes it back, or our own echo is on its way.
    if same_words(&object.status, &written.stored) {
        return None;
    }
    let wait = limits::STATUS_REWRITE_AFTER.saturating_sub(written.at.elapsed());
    if wait.is_zero() {
        return Some((before, status));
    }
    let (cluster, name) = (cluster.clone(), name.to_owned());
    tokio::task::spawn_local(async move {
        sleep(wait).await;
        cluster.look_at_status_later(&name);
    });
    None
}

async fn patch(
    cluster: &Cluster,
    name: &str,
    status: &ServiceMappingStatus,
) -> Result<DynamicObject, Refused> {
    let whole = json!({
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": { "name": name },
        "status": status,
    });
    // Nobody else has business in our fields; an older manager's are taken over.
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let applied = Patch::Apply(&whole);
    let asked = cluster.api.patch_status(name, &params, &applied);
    match timeout(limits::KUBERNETES_REQUEST_TIMEOUT, asked).await {
        Ok(answer) => answer.map_err(|error| Refused::of(PATCH, &error)),
        Err(_) => Err(Refused::without_answer(PATCH, "no answer in time".to_owned())),
    }
}

fn written(
    cluster: &Cluster,
    name: &str,
    (before, status): (&ServiceMappingStatus, ServiceMappingStatus),
    answer: &DynamicObject,
    tell: &Tell,
) {
    let mut objects = cluster.objects.borrow_mut();
    let Some(object) = objects.get_mut(name) else { return };
    // Not the object's status: the watch may have brought our own write already.
    for condition in changed(before, &status) {
        tell.tell(&cluster.health, Note::of(object, condition));
    }
    let stored = status_of(answer);
    if !same_words(&stored, &status) && object.written.is_none() {
        tracing::warn!(
            target: "causeway::kubernetes", mapping = name,
            "the cluster keeps another status than was written; its definition of the resource \
             is not ours (causeway crd)"
        );
    }
    object.status = stored.clone();
    object.written = Some(Written { at: Instant::now(), wanted: status, stored });
}

/// What a failure means for the object, and how long to wait before the next write.
fn failed(cluster: &Cluster, name: &str, refused: &Refused, pace: &mut Pace) -> Duration {
    match refused.code {
        // Gone meanwhile; its watch event is on its way.
        Some(404) => Duration::ZERO,
        // This one only, until it changes.
        Some(422 | 400) => {
            tracing::warn!(
                target: "causeway::kubernetes", mapping = name, reason = refused.message,
                "the status of a mapping is refused"
            );
            Duration::ZERO
        }
        _ => {
            cluster.note(STATUS, Some(&refused.message));
            cluster.look_at_status_later(name);
            pace.failed(refused.retry_after)
        }
    }
}

/// As conditions have it: whole seconds.
fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

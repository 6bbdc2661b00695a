//! Keeps the objects up to date: a list in pages, then watches that go on where the last ended.
//! What is known stays in force until the API tells otherwise.
//!
//! Not kube's own `watcher`: it does not tell when a watch has begun again, so that nobody would
//! know whether the mappings are current; it repeats a watch for ever whose start is answered
//! with 410; and one object that does not fit its type spoils a list.

use std::{rc::Rc, time::Instant};

use futures_util::StreamExt;
use kube::api::{DynamicObject, ListParams, ResourceExt, WatchEvent, WatchParams};
use tokio::time::{sleep, timeout};

use super::{
    cluster::Cluster,
    health::WATCH,
    object::Object,
    pace::Pace,
    refused::{Attempt, Refused},
    resource::PLURAL,
};
use crate::limits;

const LIST: Attempt = Attempt::mappings("list", PLURAL);
const FOLLOW: Attempt = Attempt::mappings("watch", PLURAL);

/// Follows the objects until the thread ends.
pub(super) async fn follow(cluster: Rc<Cluster>) {
    let mut pace = Pace::default();
    // The version to go on from; without one everything is listed.
    let mut version: Option<String> = None;
    loop {
        let outcome = if let Some(version) = &mut version {
            watch(&cluster, version, &mut pace).await
        } else {
            let listed = list(&cluster).await;
            listed.map(|listed| version = Some(listed))
        };
        let Err(refused) = outcome else { continue };
        if cluster.health.disconnected() {
            tracing::warn!(
                target: "causeway::kubernetes", reason = refused.message,
                "the watch of the service mappings broke; those known stay in force"
            );
        }
        // Gone for more than a moment, the API may come back with another past.
        if refused.is_expired() || pace.failures() > 0 {
            version = None;
        }
        if !refused.is_expired() {
            cluster.note(WATCH, Some(&refused.message));
        }
        sleep(pace.failed(refused.retry_after)).await;
    }
}

/// Lists everything and takes it; returns the version to watch from.
async fn list(cluster: &Cluster) -> Result<String, Refused> {
    match list_in_pages(cluster, Some(limits::KUBERNETES_PAGE)).await {
        // The list took longer than the API keeps its beginning: once more, in one piece.
        Err(refused) if refused.is_expired() => list_in_pages(cluster, None).await,
        other => other,
    }
}

async fn list_in_pages(cluster: &Cluster, page: Option<u32>) -> Result<String, Refused> {
    cluster.health.tally(|tallies| tallies.lists += 1);
    let mut params = ListParams { limit: page, ..ListParams::default() };
    let mut objects = Vec::new();
    loop {
        let answer = timeout(limits::KUBERNETES_REQUEST_TIMEOUT, cluster.api.list(&params)).await;
        let listed = answer
            .map_err(|_| Refused::without_answer(LIST, "no answer in time".to_owned()))?
            .map_err(|error| Refused::of(LIST, &error))?;
        let present = listed.items.iter().filter(|object| !is_leaving(object));
        objects.extend(present.map(|object| Object::read(object, &cluster.settings.tenancy)));
        params.continue_token = listed.metadata.continue_.filter(|token| !token.is_empty());
        if params.continue_token.is_some() {
            continue;
        }
        let version = listed.metadata.resource_version.filter(|version| !version.is_empty());
        let Some(version) = version else {
            return Err(Refused::without_answer(LIST, "the list has no version".to_owned()));
        };
        tracing::info!(
            target: "causeway::kubernetes", objects = objects.len(), version,
            "service mappings listed"
        );
        cluster.replace(objects);
        return Ok(version);
    }
}

/// One watch, from its answer to its end; `version` moves along. An end is no failure, unless
/// nothing at all came of the watch.
async fn watch(cluster: &Cluster, version: &mut String, pace: &mut Pace) -> Result<(), Refused> {
    // Replicas that began together do not ask together.
    let seconds = limits::KUBERNETES_WATCH.as_secs_f64() * (0.75 + fastrand::f64() / 4.0);
    let params = WatchParams::default().timeout(seconds as u32);
    let silence = || Refused::without_answer(FOLLOW, "the connection is silent".to_owned());
    let begun = Instant::now();
    let asked = cluster.api.watch(&params, version);
    let answer = timeout(limits::KUBERNETES_REQUEST_TIMEOUT, asked).await;
    let events = answer.map_err(|_| silence())?.map_err(|error| Refused::of(FOLLOW, &error))?;
    let mut events = std::pin::pin!(events);
    let mut heard = false;
    // After a failure a watch has to live for a moment before it counts.
    let mut counts = pace.failures() == 0;
    if counts {
        follows(cluster);
    }
    let most = limits::KUBERNETES_WATCH + limits::KUBERNETES_WATCH_GRACE;
    loop {
        let patience = if counts { most } else { limits::KUBERNETES_BACKOFF_MIN };
        match timeout(patience, events.next()).await {
            Err(_) if counts => return Err(silence()),
            Err(_) => {
                counts = true;
                follows(cluster);
            }
            Ok(Some(Ok(event))) => {
                take(cluster, event, version)?;
                if !heard {
                    (heard, counts) = (true, true);
                    follows(cluster);
                    pace.succeeded();
                }
            }
            Ok(Some(Err(error))) => return Err(Refused::of(FOLLOW, &error)),
            Ok(None) if heard || begun.elapsed() >= limits::KUBERNETES_BACKOFF_MAX => {
                follows(cluster);
                pace.succeeded();
                return Ok(());
            }
            Ok(None) => {
                let why = "the watch ended as soon as it began".to_owned();
                return Err(Refused::without_answer(FOLLOW, why));
            }
        }
    }
}

fn follows(cluster: &Cluster) {
    cluster.note(WATCH, None);
    if cluster.health.connected() {
        tracing::info!(target: "causeway::kubernetes", "the service mappings are watched");
    }
}

fn take(
    cluster: &Cluster,
    event: WatchEvent<DynamicObject>,
    version: &mut String,
) -> Result<(), Refused> {
    match event {
        WatchEvent::Added(object) | WatchEvent::Modified(object) => {
            note_version(version, object.metadata.resource_version.as_ref());
            if is_leaving(&object) {
                cluster.forget(&object.name_any());
            } else {
                cluster.take(Object::read(&object, &cluster.settings.tenancy));
            }
        }
        WatchEvent::Deleted(object) => {
            note_version(version, object.metadata.resource_version.as_ref());
            cluster.forget(&object.name_any());
        }
        WatchEvent::Bookmark(bookmark) => {
            note_version(version, Some(&bookmark.metadata.resource_version));
        }
        WatchEvent::Error(status) => return Err(Refused::by_status(FOLLOW, &status)),
    }
    Ok(())
}

fn note_version(version: &mut String, seen: Option<&String>) {
    if let Some(seen) = seen.filter(|seen| !seen.is_empty()) {
        version.clone_from(seen);
    }
}

/// An object that waits for its finalizers is deleted as far as connectors are concerned.
fn is_leaving(object: &DynamicObject) -> bool {
    object.metadata.deletion_timestamp.is_some()
}

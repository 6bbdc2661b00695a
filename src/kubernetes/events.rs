//! Events: what changed about a mapping, for `kubectl describe`. They are told, not kept: beyond a
//! rate they are left out and counted.

use std::{rc::Rc, sync::Arc, time::Instant};

use k8s_openapi::{
    api::{core::v1::ObjectReference, events::v1::Event},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::Timestamp,
};
use kube::{
    Api,
    api::{ObjectMeta, PostParams},
};
use tokio::{sync::mpsc, time::timeout};

use super::{
    cluster::Cluster,
    health::{EVENTS, Health},
    object::Object,
    pace::Bucket,
    refused::{Attempt, Refused},
    resource::{API_VERSION, Condition, KIND},
    status::{ACCEPTED, READY},
};
use crate::limits;

const CREATE: Attempt = Attempt { verb: "create", resource: "events", group: "events.k8s.io" };
/// Where the API demands events about objects without a namespace to be.
const NAMESPACE: &str = "default";

/// One thing to tell about an object.
pub(super) struct Note {
    name: String,
    uid: String,
    version: String,
    reason: String,
    message: String,
    normal: bool,
}

impl Note {
    pub(super) fn of(object: &Object, condition: &Condition) -> Option<Self> {
        // Ready repeats one of the others, and what is not known yet is no news.
        if condition.kind == READY || condition.status == "Unknown" {
            return None;
        }
        let normal = condition.status == "True";
        let reason = match (condition.kind.as_str(), normal) {
            (ACCEPTED, _) => condition.reason.clone(),
            (_, true) => "BackendReachable".to_owned(),
            (_, false) => "BackendUnreachable".to_owned(),
        };
        Some(Self {
            name: object.name.clone(),
            uid: object.uid.clone(),
            version: object.version.clone(),
            reason,
            message: condition.message.clone(),
            normal,
        })
    }

    fn event(&self, instance: &str, namespace: Option<&str>) -> Event {
        let end = format!("{:08x}{:08x}", fastrand::u32(..), fastrand::u32(..));
        // The API takes 1024 bytes of note.
        let note = (0..=1024).rev().find_map(|end| self.message.get(..end.min(self.message.len())));
        let note = note.unwrap_or_default().to_owned();
        Event {
            metadata: ObjectMeta {
                name: Some(format!("{}.{end}", self.name.get(..200).unwrap_or(&self.name))),
                namespace: Some(NAMESPACE.to_owned()),
                ..ObjectMeta::default()
            },
            event_time: Some(MicroTime(Timestamp::now())),
            action: Some("Observe".to_owned()),
            reason: Some(self.reason.clone()),
            note: Some(note),
            type_: Some(if self.normal { "Normal" } else { "Warning" }.to_owned()),
            regarding: Some(ObjectReference {
                api_version: Some(API_VERSION.to_owned()),
                kind: Some(KIND.to_owned()),
                name: Some(self.name.clone()),
                namespace: namespace.map(str::to_owned),
                uid: Some(self.uid.clone()),
                resource_version: Some(self.version.clone()),
                ..ObjectReference::default()
            }),
            reporting_controller: Some("connectivityproxy.sap.com/causeway".to_owned()),
            reporting_instance: Some(instance.chars().take(128).collect()),
            ..Event::default()
        }
    }
}

/// Where notes are handed in.
pub(super) struct Tell(mpsc::Sender<Note>);
/// Where they come out.
pub(super) struct Told(mpsc::Receiver<Note>);

pub(super) fn channel() -> (Tell, Told) {
    let (tell, told) = mpsc::channel(limits::EVENTS_WAITING_MAX);
    (Tell(tell), Told(told))
}

impl Tell {
    pub(super) fn tell(&self, health: &Arc<Health>, note: Option<Note>) {
        if let Some(note) = note
            && self.0.try_send(note).is_err()
        {
            health.tally(|tallies| tallies.events_dropped += 1);
        }
    }
}

/// Writes events until the thread ends.
pub(super) async fn write(cluster: Rc<Cluster>, mut told: Told) {
    let api: Api<Event> = Api::namespaced(cluster.client.clone(), NAMESPACE);
    let mut bucket = Bucket::new(limits::EVENT_RATE, Instant::now());
    // `kubectl describe` looks for events about an object without a namespace. A server of 1.20
    // refuses those about kinds it was not compiled with, and takes them with a namespace.
    let mut namespace = None;
    while let Some(note) = told.0.recv().await {
        if bucket.take(Instant::now()).is_err() {
            cluster.health.tally(|tallies| tallies.events_dropped += 1);
            continue;
        }
        let mut refused = create(&api, &note.event(&cluster.identity, namespace)).await;
        if namespace.is_none() && refused.as_ref().is_some_and(|no| no.code == Some(422)) {
            refused = create(&api, &note.event(&cluster.identity, Some(NAMESPACE))).await;
            namespace = refused.is_none().then_some(NAMESPACE);
        }
        let written = refused.is_none();
        cluster.note(EVENTS, refused.as_ref().map(|refused| refused.message.as_str()));
        cluster.health.tally(|tallies| {
            tallies.events += u64::from(written);
            tallies.events_dropped += u64::from(!written);
        });
    }
}

async fn create(api: &Api<Event>, event: &Event) -> Option<Refused> {
    let params = PostParams::default();
    match timeout(limits::KUBERNETES_REQUEST_TIMEOUT, api.create(&params, event)).await {
        Ok(Ok(_)) => None,
        Ok(Err(error)) => Some(Refused::of(CREATE, &error)),
        Err(_) => Some(Refused::without_answer(CREATE, "no answer in time".to_owned())),
    }
}

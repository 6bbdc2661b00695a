//! What the tasks of the cluster's thread share: the client, the objects, and who has to look at
//! them again.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind},
};
use tokio::sync::Notify;

use super::{
    health::{Health, WATCH},
    object::Object,
    resource,
    start::Settings,
};
use crate::limits;

/// Shared by the tasks of one thread.
pub(super) struct Cluster {
    pub(super) settings: Settings,
    pub(super) client: Client,
    pub(super) api: Api<DynamicObject>,
    pub(super) namespace: String,
    pub(super) identity: String,
    pub(super) health: Arc<Health>,
    /// By name.
    pub(super) objects: RefCell<BTreeMap<String, Object>>,
    /// The first list is there.
    pub(super) listed: Cell<bool>,
    /// Whether this replica holds the Lease.
    pub(super) leads: Cell<bool>,
    /// The leader gives the Lease back.
    pub(super) resigning: Cell<bool>,
    /// Objects whose status may have to be written: what connectors see first.
    pub(super) urgent: RefCell<BTreeSet<String>>,
    pub(super) later: RefCell<BTreeSet<String>>,
    /// Which mappings are in force may have changed.
    pub(super) changed: Notify,
    pub(super) to_write: Notify,
    pub(super) to_dial: Notify,
}

impl Cluster {
    pub(super) fn new(
        settings: Settings,
        connection: super::client::Connection,
        health: Arc<Health>,
    ) -> Self {
        let (group, version) = resource::API_VERSION.split_once('/').expect("it has a group");
        let kind = GroupVersionKind::gvk(group, version, resource::KIND);
        let resource = ApiResource::from_gvk_with_plural(&kind, resource::PLURAL);
        Self {
            api: Api::all_with(connection.client.clone(), &resource),
            settings,
            client: connection.client,
            namespace: connection.namespace,
            identity: connection.identity,
            health,
            objects: RefCell::default(),
            listed: Cell::default(),
            leads: Cell::default(),
            resigning: Cell::default(),
            urgent: RefCell::default(),
            later: RefCell::default(),
            changed: Notify::new(),
            to_write: Notify::new(),
            to_dial: Notify::new(),
        }
    }

    /// Takes a whole list in the place of what was known.
    pub(super) fn replace(&self, list: Vec<Object>) {
        let mut before = self.objects.take();
        let mut objects = BTreeMap::new();
        let beyond = list.len().saturating_sub(limits::MAPPINGS_MAX);
        for mut object in list.into_iter().take(limits::MAPPINGS_MAX) {
            if let Some(before) = before.remove(&object.name) {
                object.succeed(before);
            }
            self.look_at_status(&object.name);
            objects.insert(object.name.clone(), object);
        }
        self.say_beyond(beyond);
        self.objects.replace(objects);
        self.listed.set(true);
        self.changed.notify_one();
    }

    /// Takes an object that is new or changed.
    pub(super) fn take(&self, mut object: Object) {
        let name = object.name.clone();
        let mut objects = self.objects.borrow_mut();
        let changed = match objects.remove(&name) {
            Some(before) => {
                let changed = before.finding != object.finding || before.uid != object.uid;
                object.succeed(before);
                changed
            }
            None if objects.len() >= limits::MAPPINGS_MAX => return self.say_beyond(1),
            None => true,
        };
        objects.insert(name.clone(), object);
        self.look_at_status(&name);
        if changed {
            self.changed.notify_one();
        }
    }

    /// Forgets an object that is gone.
    pub(super) fn forget(&self, name: &str) {
        if self.objects.borrow_mut().remove(name).is_some() {
            self.changed.notify_one();
        }
    }

    /// An object's status may have to be written, soon.
    pub(super) fn look_at_status(&self, name: &str) {
        if self.leads.get() {
            self.urgent.borrow_mut().insert(name.to_owned());
            self.to_write.notify_one();
        }
    }

    /// An object's status may have to be written, when there is nothing more important.
    pub(super) fn look_at_status_later(&self, name: &str) {
        if self.leads.get() {
            self.later.borrow_mut().insert(name.to_owned());
            self.to_write.notify_one();
        }
    }

    fn say_beyond(&self, beyond: usize) {
        let problem = (beyond > 0).then(|| {
            let max = limits::MAPPINGS_MAX;
            format!("{beyond} mappings are left out, as a proxy holds {max}")
        });
        if self.health.problem("count", problem.clone())
            && let Some(problem) = problem
        {
            tracing::error!("{problem}");
        }
    }

    /// Notes that something can or cannot be done, and logs it when that is new.
    pub(super) fn note(&self, area: &'static str, problem: Option<&str>) {
        let new = self.health.problem(area, problem.map(str::to_owned));
        match problem {
            Some(problem) if new => tracing::error!(target: "causeway::kubernetes", "{problem}"),
            None if new && area != WATCH => {
                tracing::info!(target: "causeway::kubernetes", area, "works again");
            }
            _ => {}
        }
    }
}

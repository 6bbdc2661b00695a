//! The API as an administrator uses it, without waiting for kubectl to start.

use std::{path::Path, time::Duration};

use kube::{
    Client, Config,
    api::{
        Api as Objects, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams,
        Patch, PatchParams, PostParams,
    },
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use tokio::runtime::{self, Runtime};

use crate::{
    cluster::{Kind, root},
    support::{DEADLINE, sh, wait_until},
};

/// Marks what tests make; nothing else is touched.
const LABEL: &str = "causeway-test";
pub const NAMESPACE: &str = "causeway-test";

/// A client of an administrator.
pub struct Api {
    runtime: Runtime,
    pub client: Client,
    mappings: Objects<DynamicObject>,
    kubeconfig: String,
}

fn resource(group: &str, kind: &str, plural: &str) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, "v1", kind), plural)
}

impl Api {
    pub fn new(kubeconfig: &Path) -> Self {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let file = Kubeconfig::read_from(kubeconfig).unwrap();
        let client = runtime.block_on(async {
            let options = KubeConfigOptions::default();
            let mut config = Config::from_custom_kubeconfig(file, &options).await.unwrap();
            config.default_retry = false;
            Client::try_from(config).unwrap()
        });
        let kind = resource("connectivityproxy.sap.com", "ServiceMapping", "servicemappings");
        let mappings = Objects::all_with(client.clone(), &kind);
        Self { runtime, client, mappings, kubeconfig: kubeconfig.display().to_string() }
    }

    /// Installs what the proxy needs: the resource, a namespace, and Leases where there are none.
    pub fn prepare(&self, kind: Kind) {
        let root = root().display();
        // Old servers do not know of validation rules, and kubectl asks them before it sends any.
        let validate = if kind == Kind::Crds { "" } else { "--validate=false" };
        self.kubectl(&format!("apply {validate} -f {root}/config/crd/servicemappings.yaml"));
        let established = "wait --for=condition=Established --timeout=30s crd";
        self.kubectl(&format!("{established}/servicemappings.connectivityproxy.sap.com"));
        if kind.has_core() {
            let made = "create namespace --dry-run=client -o yaml";
            self.kubectl(&format!("{made} {NAMESPACE} | kubectl apply -f -"));
        } else {
            self.kubectl(&format!("apply -f {root}/tests/kubernetes/lease.yaml"));
            self.kubectl(&format!("{established}/leases.coordination.k8s.io"));
        }
        wait_until("the resource is served", DEADLINE, || self.try_list().is_ok());
    }

    /// Runs kubectl in a shell and returns what it printed; it must succeed.
    pub fn kubectl(&self, arguments: &str) -> String {
        let cache = crate::cluster::scratch().join("kubectl").display().to_string();
        sh(&format!(
            "export KUBECONFIG={:?} KUBECACHEDIR={cache:?}; kubectl {arguments} 2>&1",
            self.kubeconfig
        ))
    }

    pub fn block<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Deletes everything tests have made.
    pub fn clean(&self) {
        let ours = ListParams::default().labels(LABEL);
        wait_until("the mappings of tests are gone", DEADLINE * 6, || {
            let how = DeleteParams::default();
            let _ = self.block(self.mappings.delete_collection(&how, &ours));
            let left = self.block(self.mappings.list(&ours));
            left.is_ok_and(|left| left.items.is_empty())
        });
    }

    fn object(name: &str, spec: &Value) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "connectivityproxy.sap.com/v1",
            "kind": "ServiceMapping",
            "metadata": { "name": name, "labels": { LABEL: "" } },
            "spec": spec,
        }))
        .unwrap()
    }

    /// Creates a mapping.
    pub fn try_create(&self, name: &str, spec: &Value) -> Result<DynamicObject, kube::Error> {
        let object = Self::object(name, spec);
        self.block(self.mappings.create(&PostParams::default(), &object))
    }

    pub fn create(&self, name: &str, spec: &Value) -> DynamicObject {
        self.try_create(name, spec).unwrap()
    }

    /// Creates many mappings, some at a time.
    pub fn create_many(&self, objects: Vec<(String, Value)>) {
        const AT_ONCE: usize = 16;
        self.block(async {
            let mut tasks = tokio::task::JoinSet::new();
            for (name, spec) in objects {
                if tasks.len() >= AT_ONCE {
                    tasks.join_next().await.unwrap().unwrap();
                }
                let mappings = self.mappings.clone();
                tasks.spawn(async move {
                    let object = Self::object(&name, &spec);
                    mappings.create(&PostParams::default(), &object).await.unwrap();
                });
            }
            while let Some(done) = tasks.join_next().await {
                done.unwrap();
            }
        });
    }

    /// Changes a mapping's spec.
    pub fn patch(&self, name: &str, spec: &Value) {
        let patch = Patch::Merge(json!({ "spec": spec }));
        self.block(self.mappings.patch(name, &PatchParams::default(), &patch)).unwrap();
    }

    /// Changes a mapping's status, as somebody who has no business there.
    pub fn patch_status(&self, name: &str, status: &Value) {
        let patch = Patch::Merge(json!({ "status": status }));
        self.block(self.mappings.patch_status(name, &PatchParams::default(), &patch)).unwrap();
    }

    pub fn delete(&self, name: &str) {
        self.block(self.mappings.delete(name, &DeleteParams::default())).unwrap();
    }

    pub fn get(&self, name: &str) -> DynamicObject {
        self.block(self.mappings.get(name)).unwrap()
    }

    pub fn try_list(&self) -> Result<Vec<DynamicObject>, kube::Error> {
        self.block(self.mappings.list(&ListParams::default())).map(|list| list.items)
    }

    /// A field of the status, as text; empty where it is not there.
    pub fn status(&self, name: &str, pointer: &str) -> String {
        let object = self.get(name);
        let value = object.data.pointer(&format!("/status/{pointer}"));
        value.and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// `status reason` of a condition; empty where it is not there.
    pub fn condition(&self, name: &str, kind: &str) -> String {
        let found = self.condition_of(name, kind);
        let text = |key: &str| found.get(key).and_then(Value::as_str).unwrap_or_default();
        format!("{} {}", text("status"), text("reason")).trim().to_owned()
    }

    /// A condition whole.
    pub fn condition_of(&self, name: &str, kind: &str) -> Value {
        let object = self.get(name);
        let conditions = object.data.pointer("/status/conditions").and_then(Value::as_array);
        let mut conditions = conditions.into_iter().flatten();
        conditions.find(|condition| condition["type"] == kind).cloned().unwrap_or_default()
    }

    /// Waits for a condition to be `status reason`; says how long that took.
    pub fn wait_condition(&self, name: &str, kind: &str, expected: &str) -> Duration {
        let what = format!("{kind} of {name} is {expected}");
        wait_until(&what, DEADLINE * 2, || self.condition(name, kind) == expected)
    }

    /// Who holds the Lease of this name.
    pub fn holder(&self, lease: &str) -> Option<String> {
        let kind = resource("coordination.k8s.io", "Lease", "leases");
        let leases: Objects<DynamicObject> =
            Objects::namespaced_with(self.client.clone(), NAMESPACE, &kind);
        let lease = self.block(leases.get_opt(lease)).unwrap()?;
        lease.data.pointer("/spec/holderIdentity").and_then(Value::as_str).map(str::to_owned)
    }

    /// Reasons of the events about a mapping.
    pub fn event_reasons(&self, name: &str) -> Vec<String> {
        let kind = resource("events.k8s.io", "Event", "events");
        let events: Objects<DynamicObject> = Objects::all_with(self.client.clone(), &kind);
        let list = self.block(events.list(&ListParams::default())).unwrap();
        let about = |event: &&DynamicObject| event.data["regarding"]["name"] == name;
        let reason = |event: &DynamicObject| event.data["reason"].as_str().unwrap().to_owned();
        list.items.iter().filter(about).map(reason).collect()
    }
}

/// The spec of a TCP service of subaccount `a`.
pub fn spec(service: &str, address: impl std::fmt::Display) -> Value {
    json!({
        "type": "TCP", "subaccountId": "a", "serviceId": service,
        "internalAddress": address.to_string(),
    })
}

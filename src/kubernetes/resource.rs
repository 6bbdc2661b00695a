//! The `ServiceMapping` resource: its schema, and its status as we write it.
//!
//! Specs are read as JSON by `mapping`, which knows the rules for files as well; the type here
//! only tells the schema. What an older server leaves unchecked (validation rules need 1.25) the
//! conditions say.

// These fields are read by the derived schema.
#![allow(dead_code)]
// Each column has a `type_` of its own; the lint takes them for attributes of one.
#![allow(clippy::duplicated_attributes)]

use kube::{CustomResource, CustomResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Group and version of the resource.
pub(super) const API_VERSION: &str = "connectivityproxy.sap.com/v1";
/// Its kind.
pub(super) const KIND: &str = "ServiceMapping";
/// Its name in a path and in a role.
pub(super) const PLURAL: &str = "servicemappings";

#[derive(CustomResource, Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[kube(
    group = "connectivityproxy.sap.com",
    version = "v1",
    kind = "ServiceMapping",
    plural = "servicemappings",
    singular = "servicemapping",
    shortname = "sm",
    status = "ServiceMappingStatus",
    doc = "Which service of this cluster a subaccount may reach under which name.",
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.type"),
    printcolumn(name = "Subaccount", type_ = "string", json_path = ".spec.subaccountId"),
    printcolumn(name = "Service", type_ = "string", json_path = ".spec.serviceId"),
    printcolumn(name = "Address", type_ = "string", json_path = ".spec.internalAddress"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServiceMappingSpec {
    /// What the service speaks. TCP carries any protocol; JDBC is known and not supported.
    #[serde(rename = "type")]
    #[schemars(extend("enum" = ["TCP", "RFC", "JDBC"]))]
    service_type: String,
    /// The subaccount whose connectors may reach the service. A proxy that is dedicated to one
    /// subaccount takes that where this is left out; one that is shared needs it.
    #[schemars(length(min = 1, max = 255))]
    subaccount_id: Option<String>,
    /// The name under which connectors ask for the service.
    #[schemars(length(min = 1, max = 255))]
    #[schemars(extend("x-kubernetes-validations" = [{
        "rule": "self.matches('^[A-Za-z0-9._~!$&\\'()*+,;=-]+$')",
        "message": "must be able to stand as the host of a CONNECT authority: letters, digits \
                    and any of -._~!$&'()*+,;="
    }]))]
    service_id: String,
    /// The tenant's id in the service's own model, where that is another.
    #[schemars(length(min = 1, max = 255))]
    tenant_id: Option<String>,
    /// host:port of the service inside the cluster, an IPv6 address in brackets.
    #[schemars(length(min = 3, max = 262))]
    #[schemars(extend("x-kubernetes-validations" = [
        {
            "rule": "!self.contains('://')",
            "message": "has a scheme; write host:port alone"
        },
        {
            "rule": "self.contains('://') || \
                     self.matches('^(\\\\[[0-9A-Fa-f:.]+\\\\]|[A-Za-z0-9._-]+):[0-9]+$')",
            "message": "must be host:port, an IPv6 address in brackets"
        },
        {
            "rule": "!self.matches(':[0-9]+$') || self.matches(':([1-9][0-9]{0,3}|[1-5][0-9]{4}|\
                     6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])$')",
            "message": "must end in a port from 1 to 65535"
        }
    ]))]
    internal_address: String,
    /// The location ids of the connectors that may reach the service. Left out, only the default
    /// location may; to allow it beside others, list "" as well.
    #[schemars(length(min = 1, max = 256))]
    location_ids: Option<Vec<Location>>,
}

// May be null as far as the schema goes: the server of 1.20 takes "" for that. What is really null
// the conditions refuse.
/// A location id; "" is the default location.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[schemars(inline, extend("nullable" = true, "maxLength" = 255))]
pub(super) struct Location(String);

/// What the proxy says about a mapping.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ServiceMappingStatus {
    /// What to paste into a connector; there as long as the mapping is accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) endpoint: Option<String>,
    /// The generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) observed_generation: Option<i64>,
    /// Accepted, BackendReachable and Ready, each with its reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub(super) conditions: Vec<Condition>,
}

/// One condition, as all resources of Kubernetes have them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Condition {
    /// What it is about.
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// True, False or Unknown.
    #[schemars(extend("enum" = ["True", "False", "Unknown"]))]
    pub(super) status: String,
    /// Why, in one word for programs.
    pub(super) reason: String,
    /// Why, in words for people.
    pub(super) message: String,
    /// When its status changed last.
    #[schemars(extend("format" = "date-time"))]
    pub(super) last_transition_time: String,
    /// The generation of the spec that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) observed_generation: Option<i64>,
}

/// The CustomResourceDefinition, as YAML for `kubectl apply -f -`.
///
/// # Panics
/// Never: a value made of maps, lists and strings can be written.
#[must_use]
pub fn definition() -> String {
    let definition = serde_json::to_value(ServiceMapping::crd()).expect("it is plain data");
    serde_saphyr::to_string(&definition).expect("it is plain data")
}

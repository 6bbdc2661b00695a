//! Reads a mapping that a cluster holds as an object.

use std::path::Path;
use std::sync::Arc;

use super::validate::{API_VERSION, Context, KIND, read_resource};
use super::yaml::Node;
use super::{Mapping, Problem, Tenancy};

/// Reads the `spec` and the annotations of the object `name` under the rules that hold for files.
///
/// # Errors
/// Everything that is wrong with it; at least one problem, none with a line.
pub fn read_object(
    name: &str,
    annotations: &serde_json::Value,
    spec: &serde_json::Value,
    tenancy: &Tenancy,
) -> Result<Mapping, Vec<Problem>> {
    let file: Arc<Path> = Path::new(&format!("servicemapping/{name}")).into();
    let object = serde_json::json!({
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": { "name": name, "annotations": annotations },
        "spec": spec,
    });
    let (mut mappings, mut problems) = (Vec::new(), Vec::new());
    let context = Context { file: &file, tenancy };
    read_resource(&Node::from_json(&object), String::new(), &context, &mut mappings, &mut problems);
    mappings.pop().ok_or(problems)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shared(spec: serde_json::Value) -> Result<Mapping, Vec<String>> {
        let problems = |problems: Vec<Problem>| problems.iter().map(Problem::to_string).collect();
        read_object("echo", &json!(null), &spec, &Tenancy::Shared).map_err(problems)
    }

    #[test]
    fn a_spec_is_read_like_a_file() {
        let mapping = shared(json!({
            "type": "TCP", "subaccountId": "a", "serviceId": "s",
            "internalAddress": "[::1]:80", "locationIds": ["", "north"],
        }))
        .unwrap();
        assert_eq!((mapping.name.as_str(), mapping.service.as_str()), ("echo", "s"));
        assert_eq!((mapping.address.to_string(), mapping.locations.len()), ("[::1]:80".into(), 2));
        assert_eq!(mapping.source.to_string(), "servicemapping/echo");
    }

    #[test]
    fn annotations_of_ours_are_read_and_those_of_others_are_not() {
        let spec = json!({
            "type": "TCP", "subaccountId": "a", "serviceId": "s", "internalAddress": "x:80",
        });
        let read = |annotations| read_object("echo", &annotations, &spec, &Tenancy::Shared);
        let mapping = read(json!({
            "causeway.io/allowed-sources": "10.0.0.0/8, 2001:db8::1",
            "causeway.io/proxy-protocol": "v2",
            "kubectl.kubernetes.io/last-applied-configuration": "{}",
        }))
        .unwrap();
        assert!(mapping.proxy_header);
        for (address, allowed) in
            [("10.1.2.3", true), ("2001:db8::1", true), ("11.0.0.1", false), ("::1", false)]
        {
            assert_eq!(mapping.allows_source(address.parse().unwrap()), allowed, "{address}");
        }
        assert!(read(json!(null)).unwrap().allows_source([11, 0, 0, 1].into()));
        for (key, value) in [
            ("allowed-sources", json!("")),
            ("allowed-sources", json!("10.0.0.1/8")),
            ("allowed-sources", json!(10)),
            ("proxy-protocol", json!("v1")),
            ("proxy-protocol", json!(true)),
            ("allowed-source", json!("10.0.0.0/8")),
        ] {
            let key = format!("causeway.io/{key}");
            let problems = read(json!({ &key: value })).unwrap_err();
            assert_eq!(problems.len(), 1, "{problems:?}");
            let field = format!("metadata.annotations.{key}");
            assert_eq!(problems[0].field.as_ref(), Some(&field));
        }
    }

    #[test]
    fn problems_name_object_and_field_and_no_line() {
        let problems = shared(json!({
            "type": "JDBC", "serviceId": "s", "internalAddress": "tcp://x:80",
        }))
        .unwrap_err();
        assert_eq!(problems.len(), 3, "{problems:?}");
        assert!(problems[0].starts_with("servicemapping/echo: spec.type: JDBC"), "{problems:?}");
        let spec = shared(json!(null)).unwrap_err();
        assert!(spec[0].starts_with("servicemapping/echo: spec: is missing"), "{spec:?}");
    }
}

//! Reads a mapping that a cluster holds as an object.

use std::path::Path;
use std::sync::Arc;

use super::validate::{API_VERSION, Context, KIND, read_resource};
use super::yaml::Node;
use super::{Mapping, Problem, Tenancy};

/// Reads the `spec` of the object `name` under the rules that hold for files.
///
/// # Errors
/// Everything that is wrong with it; at least one problem, none with a line.
pub fn read_object(
    name: &str,
    spec: &serde_json::Value,
    tenancy: &Tenancy,
) -> Result<Mapping, Vec<Problem>> {
    let file: Arc<Path> = Path::new(&format!("servicemapping/{name}")).into();
    let object = serde_json::json!({
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": { "name": name },
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
        read_object("echo", &spec, &Tenancy::Shared).map_err(problems)
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

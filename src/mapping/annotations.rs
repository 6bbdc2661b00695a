//! What a mapping says beyond the fields of the resource, as annotations `causeway.io/…`: the
//! fields are those of another product, whose tools would drop or refuse more of them.

use super::Network;
use super::yaml::{Entry, Node, Value};
use crate::limits;

/// Networks a connector's tunnels may come from, with commas between them.
pub(super) const ALLOWED_SOURCES: &str = "causeway.io/allowed-sources";
/// `v2`: the service is told by a PROXY protocol header who is there.
pub(super) const PROXY_PROTOCOL: &str = "causeway.io/proxy-protocol";
/// All our annotations begin so; those of others are none of our business.
const OURS: &str = "causeway.io/";

/// Whether an annotation of that name is one of ours, known or not.
#[must_use]
pub fn is_ours(name: &str) -> bool {
    name.starts_with(OURS)
}

/// What the annotations of one mapping say.
#[derive(Debug, Default)]
pub(super) struct Annotations {
    pub(super) sources: Vec<Network>,
    pub(super) proxy_header: bool,
}

/// One that is wrong: its line, its key and the words.
pub(super) type Wrong = (usize, String, String);

/// Reads the annotations below `metadata`.
pub(super) fn read(metadata: &[Entry]) -> (Annotations, Vec<Wrong>) {
    let (mut annotations, mut wrong) = (Annotations::default(), Vec::new());
    let Some(entry) = metadata.iter().find(|entry| entry.key == "annotations") else {
        return (annotations, wrong);
    };
    let entries = match &entry.value.value {
        Value::Table(entries) => entries.as_slice(),
        Value::Null => &[],
        _ => {
            let kind = entry.value.kind();
            wrong.push((entry.line, String::new(), format!("is {kind}; write a mapping")));
            &[]
        }
    };
    for entry in entries.iter().filter(|entry| is_ours(&entry.key)) {
        let read = match entry.key.as_str() {
            ALLOWED_SOURCES => {
                text(&entry.value).and_then(sources).map(|sources| annotations.sources = sources)
            }
            PROXY_PROTOCOL => text(&entry.value)
                .and_then(proxy_header)
                .map(|proxy_header| annotations.proxy_header = proxy_header),
            _ => Err(format!(
                "is no annotation of ours; known are {ALLOWED_SOURCES} and {PROXY_PROTOCOL}"
            )),
        };
        if let Err(message) = read {
            wrong.push((entry.line, entry.key.escape_debug().to_string(), message));
        }
    }
    (annotations, wrong)
}

fn text(node: &Node) -> Result<&str, String> {
    match &node.value {
        Value::Text(text) => Ok(text),
        _ => Err(format!("is {}, not a string; put it in quotes", node.kind())),
    }
}

fn sources(text: &str) -> Result<Vec<Network>, String> {
    if text.trim().is_empty() {
        return Err("is empty, so no connector could use the mapping; remove it, or list networks"
            .to_owned());
    }
    let count = text.split(',').count();
    if count > limits::SOURCES_PER_MAPPING_MAX {
        let max = limits::SOURCES_PER_MAPPING_MAX;
        return Err(format!("lists {count} networks, more than {max}"));
    }
    text.split(',').map(|network| network.trim().parse()).collect()
}

fn proxy_header(text: &str) -> Result<bool, String> {
    match text {
        "v2" => Ok(true),
        "off" => Ok(false),
        other => Err(format!("is `{}`; write `v2`, or `off`", other.escape_debug())),
    }
}

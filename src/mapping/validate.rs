//! From a YAML document to a mapping, or to every reason why it is none.

use std::path::Path;
use std::sync::Arc;

use super::annotations::{self, Annotations};
use super::names::{check_id, check_location, check_resource_name, check_service_id};
use super::yaml::{Entry, Node, Value};
use super::{Address, Mapping, Problem, ServiceType, Source, Tenancy};
use crate::limits::LOCATIONS_PER_MAPPING_MAX;

pub(super) const API_VERSION: &str = "connectivityproxy.sap.com/v1";
/// Printed by several guides, served by no cluster.
const API_VERSION_MISREAD: &str = "servicemapping.connectivityproxy.sap.com/v1";
pub(super) const KIND: &str = "ServiceMapping";
const RESOURCE_FIELDS: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];
const SPEC_FIELDS: [&str; 6] =
    ["type", "subaccountId", "serviceId", "tenantId", "internalAddress", "locationIds"];

/// What all documents of a file share.
pub(super) struct Context<'a> {
    pub(super) file: &'a Arc<Path>,
    pub(super) tenancy: &'a Tenancy,
}

/// The mappings of one document: one, or those of a `List` as `kubectl get -o yaml` prints it.
/// A document or item with a problem gives no mapping.
pub(super) fn read_document(
    document: &Node,
    context: &Context<'_>,
    mappings: &mut Vec<Mapping>,
    problems: &mut Vec<Problem>,
) {
    if let (Some("v1"), Some("List"), Some(items)) =
        (document.text("apiVersion"), document.text("kind"), document.entry("items"))
        && let Value::List(items) = &items.value.value
    {
        for (index, item) in items.iter().enumerate() {
            read_resource(item, format!("items[{index}]."), context, mappings, problems);
        }
        return;
    }
    if !matches!(document.value, Value::Null) {
        read_resource(document, String::new(), context, mappings, problems);
    }
}

pub(super) fn read_resource(
    resource: &Node,
    prefix: String,
    context: &Context<'_>,
    mappings: &mut Vec<Mapping>,
    problems: &mut Vec<Problem>,
) {
    let mut reader = Reader { context, prefix, problems: Vec::new() };
    let mapping = reader.resource(resource);
    // A value is missing only for a reason, so a mapping without problems is complete.
    debug_assert_eq!(mapping.is_none(), !reader.problems.is_empty());
    problems.append(&mut reader.problems);
    mappings.extend(mapping);
}

/// Reads one resource; collects its problems.
struct Reader<'a> {
    context: &'a Context<'a>,
    prefix: String,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn resource(&mut self, resource: &Node) -> Option<Mapping> {
        let Value::Table(entries) = &resource.value else {
            self.problem(
                resource.line,
                "",
                format!("the document is {}, not a {KIND}", resource.kind()),
            );
            return None;
        };
        // Of another resource the fields would be reported one by one, to no use.
        self.api_version(resource)?;
        self.kind(resource)?;
        self.unknown_fields(entries, &RESOURCE_FIELDS, "");
        let name = self.name(resource);
        let annotations = self.annotations(resource);
        let spec = self.table(resource, "spec")?;
        self.unknown_fields(spec.entries, &SPEC_FIELDS, "spec.");
        let service_type = self.service_type(&spec);
        let subaccount = self.subaccount(&spec);
        let service = self.required(&spec, "serviceId", check_service_id);
        let tenant = self.optional(&spec, "tenantId", check_id);
        let address = self.address(&spec);
        let locations = self.locations(&spec);
        if !self.problems.is_empty() {
            return None;
        }
        Some(Mapping {
            name: name?,
            service_type: service_type?,
            subaccount: subaccount?,
            service: service?,
            tenant,
            address: address?,
            locations: locations?,
            sources: annotations.sources,
            proxy_header: annotations.proxy_header,
            source: Source { file: Arc::clone(self.context.file), line: resource.line },
        })
    }

    fn api_version(&mut self, resource: &Node) -> Option<()> {
        let root = Table::root(resource);
        let (line, text) = self.string(&root, "apiVersion")?;
        let message = match text {
            API_VERSION => return Some(()),
            API_VERSION_MISREAD => format!(
                "the group is misspelt, as in some guides: write `{API_VERSION}` \
                 (no `servicemapping.` in front)"
            ),
            other => format!("is `{}`; only `{API_VERSION}` is read", other.escape_debug()),
        };
        self.problem(line, "apiVersion", message);
        None
    }

    fn kind(&mut self, resource: &Node) -> Option<()> {
        let root = Table::root(resource);
        let (line, text) = self.string(&root, "kind")?;
        if text == KIND {
            return Some(());
        }
        self.problem(line, "kind", format!("is `{}`; write `{KIND}`", text.escape_debug()));
        None
    }

    fn name(&mut self, resource: &Node) -> Option<String> {
        let metadata = self.table(resource, "metadata")?;
        self.required(&metadata, "name", check_resource_name)
    }

    fn annotations(&mut self, resource: &Node) -> Annotations {
        let metadata = resource.entry("metadata").map(|entry| &entry.value.value);
        // What is wrong with `metadata` itself is said where its name is read.
        let Some(Value::Table(entries)) = metadata else { return Annotations::default() };
        let (annotations, wrong) = annotations::read(entries);
        for (line, key, message) in wrong {
            let dot = if key.is_empty() { "" } else { "." };
            self.problem(line, &format!("metadata.annotations{dot}{key}"), message);
        }
        annotations
    }

    fn service_type(&mut self, spec: &Table<'_>) -> Option<ServiceType> {
        let (line, text) = self.string(spec, "type")?;
        let message = match text {
            "TCP" => return Some(ServiceType::Tcp),
            "RFC" => return Some(ServiceType::Rfc),
            "JDBC" => "JDBC is not supported; use `TCP`, which carries any protocol".to_owned(),
            other => match other.to_ascii_uppercase().as_str() {
                upper @ ("TCP" | "RFC") => format!("write `{upper}` in capitals"),
                _ => format!("is `{}`; write `TCP` or `RFC`", other.escape_debug()),
            },
        };
        self.problem(line, "spec.type", message);
        None
    }

    fn subaccount(&mut self, spec: &Table<'_>) -> Option<String> {
        match self.context.tenancy {
            Tenancy::Shared => self.required(spec, "subaccountId", check_id),
            Tenancy::Dedicated { subaccount } => {
                let Some(named) = self.optional(spec, "subaccountId", check_id) else {
                    return Some(subaccount.clone());
                };
                if named != *subaccount {
                    self.problem(
                        spec.line_of("subaccountId"),
                        "spec.subaccountId",
                        format!(
                            "is `{}`, but this proxy is dedicated to `{}`; leave the field out, or \
                             set `[tenancy] mode = \"shared\"`",
                            named.escape_debug(),
                            subaccount.escape_debug()
                        ),
                    );
                }
                Some(named)
            }
        }
    }

    fn address(&mut self, spec: &Table<'_>) -> Option<Address> {
        let (line, text) = self.string(spec, "internalAddress")?;
        match text.parse() {
            Ok(address) => Some(address),
            Err(error) => {
                self.problem(line, "spec.internalAddress", format!("{error}"));
                None
            }
        }
    }

    fn locations(&mut self, spec: &Table<'_>) -> Option<Vec<String>> {
        let Some(entry) = spec.present("locationIds") else {
            return Some(vec![String::new()]);
        };
        let field = "spec.locationIds";
        let Value::List(items) = &entry.value.value else {
            let kind = entry.value.kind();
            self.problem(entry.line, field, format!("is {kind}; write a list of strings"));
            return None;
        };
        if items.is_empty() {
            let message = "is an empty list, so no connector could use the mapping; leave the \
                           field out for the default location, or list the locations";
            self.problem(entry.line, field, message.to_owned());
            return None;
        }
        if items.len() > LOCATIONS_PER_MAPPING_MAX {
            let count = items.len();
            self.problem(
                entry.line,
                field,
                format!("lists {count} locations, more than {LOCATIONS_PER_MAPPING_MAX}"),
            );
            return None;
        }
        let mut locations: Vec<String> = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let location = self.location(item, &format!("{field}[{index}]"));
            locations.extend(location.filter(|location| !locations.contains(location)));
        }
        Some(locations)
    }

    fn location(&mut self, item: &Node, field: &str) -> Option<String> {
        let message = match &item.value {
            Value::Text(text) => match check_location(text) {
                Ok(()) => return Some(text.clone()),
                Err(message) => message,
            },
            Value::Null => "is empty; write `\"\"` for the default location".to_owned(),
            _ => format!("is {}; put it in quotes", item.kind()),
        };
        self.problem(item.line, field, message);
        None
    }
}

/// A table of the resource, the line of its key and its path with a trailing dot.
struct Table<'a> {
    path: &'static str,
    line: usize,
    entries: &'a [Entry],
}

impl<'a> Table<'a> {
    fn root(resource: &'a Node) -> Self {
        let entries = match &resource.value {
            Value::Table(entries) => entries.as_slice(),
            _ => &[],
        };
        Self { path: "", line: resource.line, entries }
    }

    /// The entry, unless it is left empty: Kubernetes drops those.
    fn present(&self, key: &str) -> Option<&'a Entry> {
        self.entries
            .iter()
            .find(|entry| entry.key == key && !matches!(entry.value.value, Value::Null))
    }

    fn line_of(&self, key: &str) -> usize {
        self.entries.iter().find(|entry| entry.key == key).map_or(self.line, |entry| entry.line)
    }
}

impl Reader<'_> {
    fn problem(&mut self, line: usize, field: &str, message: String) {
        let field = (!field.is_empty()).then(|| format!("{}{field}", self.prefix));
        self.problems.push(Problem { file: self.context.file.to_path_buf(), line, field, message });
    }

    fn table<'n>(&mut self, resource: &'n Node, key: &'static str) -> Option<Table<'n>> {
        let root = Table::root(resource);
        let Some(entry) = root.present(key) else {
            self.problem(root.line_of(key), key, format!("is missing; every {KIND} has one"));
            return None;
        };
        let Value::Table(entries) = &entry.value.value else {
            let kind = entry.value.kind();
            self.problem(entry.line, key, format!("is {kind}; write its fields below it"));
            return None;
        };
        let path = if key == "spec" { "spec." } else { "metadata." };
        Some(Table { path, line: entry.line, entries })
    }

    /// A string that must be there, and its line.
    fn string<'n>(&mut self, table: &Table<'n>, key: &str) -> Option<(usize, &'n str)> {
        let field = format!("{}{key}", table.path);
        let Some(entry) = table.present(key) else {
            let message = match (key, self.context.tenancy) {
                ("subaccountId", Tenancy::Shared) => {
                    "is missing; a proxy that serves many subaccounts must know whose this is"
                }
                _ => "is missing; give it a value",
            };
            self.problem(table.line_of(key), &field, message.to_owned());
            return None;
        };
        self.text(entry, &field)
    }

    fn text<'n>(&mut self, entry: &'n Entry, field: &str) -> Option<(usize, &'n str)> {
        let message = match &entry.value.value {
            Value::Text(text) => return Some((entry.value.line, text)),
            Value::Number | Value::Boolean => {
                format!("is {}, not a string; put it in quotes", entry.value.kind())
            }
            _ => format!("is {}; write a string", entry.value.kind()),
        };
        self.problem(entry.line, field, message);
        None
    }

    fn required(
        &mut self,
        table: &Table<'_>,
        key: &str,
        check: fn(&str) -> Result<(), String>,
    ) -> Option<String> {
        let (line, text) = self.string(table, key)?;
        match check(text) {
            Ok(()) => Some(text.to_owned()),
            Err(message) => {
                self.problem(line, &format!("{}{key}", table.path), message);
                None
            }
        }
    }

    fn optional(
        &mut self,
        table: &Table<'_>,
        key: &str,
        check: fn(&str) -> Result<(), String>,
    ) -> Option<String> {
        table.present(key)?;
        self.required(table, key, check)
    }

    fn unknown_fields(&mut self, entries: &[Entry], known: &[&str], path: &str) {
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let near = known.iter().find(|name| name.eq_ignore_ascii_case(&entry.key));
            let hint = match near {
                Some(name) => format!("write `{name}`"),
                None => format!("remove it; known here are {}", known.join(", ")),
            };
            let field = format!("{path}{}", entry.key.escape_debug());
            self.problem(entry.line, &field, format!("is no field of a {KIND}; {hint}"));
        }
    }
}

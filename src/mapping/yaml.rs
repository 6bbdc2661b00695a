//! A YAML document as a tree in which every node knows its line.
//!
//! Reading into a tree first, and not into a struct, lets one pass report every problem of a
//! document, each with the line of its field.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use super::document::Document;
use super::model::NO_LINE;
use crate::limits::{YAML_NODES_MAX, YAML_REPEATS_MAX};

/// A value and the 1-based line it stands at.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: Value,
}

/// What YAML's core schema makes of a value.
#[derive(Debug)]
pub(super) enum Value {
    Null,
    Boolean,
    Number,
    Text(String),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// One `key: value` of a table and the line of its key.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: usize,
    pub(super) value: Node,
}

/// Why a document is no YAML.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    pub(super) line: usize,
    pub(super) message: String,
}

/// Reads one document; lines count from the start of its file.
pub(super) fn parse(document: Document<'_>) -> Result<Node, SyntaxError> {
    let options = serde_saphyr::options! {
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_nodes: YAML_NODES_MAX,
            // A collection has an event for its end, too.
            max_events: 2 * YAML_NODES_MAX,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: YAML_REPEATS_MAX },
    };
    let mut node = serde_saphyr::from_str_with_options::<Node>(document.text, options)
        .map_err(|error| syntax_error(&error, document))?;
    node.shift(document.first_line);
    Ok(node)
}

impl Node {
    /// What it is, for a message.
    pub(super) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "empty",
            Value::Boolean => "a boolean",
            Value::Number => "a number",
            Value::Text(_) => "a string",
            Value::List(_) => "a list",
            Value::Table(_) => "a mapping",
        }
    }

    /// The entry with this key, if this is a table that has one.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Table(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// The text under this key, if there is one.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match &self.entry(key)?.value.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The same of what came as JSON, where nothing has a line.
    pub(super) fn from_json(json: &serde_json::Value) -> Self {
        let value = match json {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(_) => Value::Boolean,
            serde_json::Value::Number(_) => Value::Number,
            serde_json::Value::String(text) => Value::Text(text.clone()),
            serde_json::Value::Array(items) => {
                Value::List(items.iter().map(Self::from_json).collect())
            }
            serde_json::Value::Object(fields) => {
                let entry = |(key, value): (&String, &serde_json::Value)| Entry {
                    key: key.clone(),
                    line: NO_LINE,
                    value: Self::from_json(value),
                };
                Value::Table(fields.iter().map(entry).collect())
            }
        };
        Self { line: NO_LINE, value }
    }

    fn shift(&mut self, lines: usize) {
        self.line += lines;
        match &mut self.value {
            Value::List(nodes) => nodes.iter_mut().for_each(|node| node.shift(lines)),
            Value::Table(entries) => entries.iter_mut().for_each(|entry| {
                entry.line += lines;
                entry.value.shift(lines);
            }),
            Value::Null | Value::Boolean | Value::Number | Value::Text(_) => {}
        }
    }
}

fn syntax_error(error: &serde_saphyr::Error, document: Document<'_>) -> SyntaxError {
    let line = error.location().map_or(1, |location| line(location.line()));
    let text = error.without_snippet().to_string();
    // The parser's own place counts from the document, ours from the file.
    let message = text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message);
    SyntaxError { line: line + document.first_line, message: message.to_owned() }
}

/// The parser counts lines from 1 and says 0 where it does not know.
fn line(reported: u64) -> usize {
    usize::try_from(reported).unwrap_or(usize::MAX).max(1)
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self { line: line(spanned.referenced.line()), value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Boolean)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_i128<E: Error>(self, _: i128) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_u128<E: Error>(self, _: u128) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(node) = items.next_element()? {
            list.push(node);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut table = Vec::new();
        while let Some(key) = items.next_key::<Spanned<String>>()? {
            let value = items.next_value()?;
            table.push(Entry { line: line(key.referenced.line()), key: key.value, value });
        }
        Ok(Value::Table(table))
    }
}

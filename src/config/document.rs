//! A TOML file while it is being read: where each key stands, and the faults found so far.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};

use super::{ConfigError, Fault};
use crate::limits::FILE_BYTES_MAX;

/// One file under examination.
pub(super) struct Document<'a> {
    file: PathBuf,
    base: PathBuf,
    text: &'a str,
    tree: DeTable<'a>,
    faults: Vec<Fault>,
}

/// Reads a file whole, refusing what is no configuration file by its size.
pub(super) fn read_file(file: &Path) -> Result<String, ConfigError> {
    let error = |message: String| {
        let fault = Fault { place: None, key: None, message };
        ConfigError { file: file.to_path_buf(), faults: vec![fault] }
    };
    let hint = "check the path given with --config and the file's permissions";
    let size = fs::metadata(file).map_err(|e| error(format!("cannot be read: {e}; {hint}")))?.len();
    if size > FILE_BYTES_MAX {
        return Err(error(format!("is larger than {FILE_BYTES_MAX} bytes; this is another file")));
    }
    fs::read_to_string(file).map_err(|e| error(format!("cannot be read: {e}; {hint}")))
}

/// The directory that relative paths of a file start from.
pub(super) fn base_of(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

impl<'a> Document<'a> {
    /// Parses the text twice: into `T`, and into a tree that tells where each key stands.
    pub(super) fn parse<T: DeserializeOwned>(
        file: &Path,
        base: &Path,
        text: &'a str,
    ) -> Result<(Self, T), ConfigError> {
        let mut document = Self::tree(file, base, text)?;
        match toml::from_str(text) {
            Ok(raw) => Ok((document, raw)),
            Err(error) => {
                document.refuse(&error);
                Err(document.into_error())
            }
        }
    }

    /// Parses the text without asking what it means.
    pub(super) fn tree(file: &Path, base: &Path, text: &'a str) -> Result<Self, ConfigError> {
        let mut document = Self {
            file: file.to_path_buf(),
            base: base.to_path_buf(),
            text,
            tree: DeTable::default(),
            faults: Vec::new(),
        };
        match DeTable::parse(text) {
            Ok(tree) => document.tree = tree.into_inner(),
            Err(error) => {
                document.refuse(&error);
                return Err(document.into_error());
            }
        }
        Ok(document)
    }

    /// Whether the file has this table or key at its top.
    pub(super) fn has(&self, key: &str) -> bool {
        self.tree.contains_key(key)
    }

    /// Notes a fault at a key's path (`channel[1].local_port`), or at its nearest table.
    pub(super) fn fault(&mut self, key: &str, message: impl Into<String>) {
        let place = locate(&self.tree, key).map(|span| self.place(span.start));
        self.faults.push(Fault { place, key: Some(key.to_owned()), message: message.into() });
    }

    /// Notes a fault of the file as a whole.
    pub(super) fn fault_of_file(&mut self, message: impl Into<String>) {
        self.faults.push(Fault { place: None, key: None, message: message.into() });
    }

    /// A path as written, from the file's directory if it is relative.
    pub(super) fn path(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }

    /// The value, if it is complete and nothing is wrong.
    pub(super) fn finish<T>(self, value: Option<T>) -> Result<T, ConfigError> {
        match value {
            Some(value) if self.faults.is_empty() => Ok(value),
            _ => Err(self.into_error()),
        }
    }

    /// All faults as an error.
    pub(super) fn into_error(mut self) -> ConfigError {
        self.faults.sort_by_key(|fault| fault.place.unwrap_or((usize::MAX, 0)));
        ConfigError { file: self.file, faults: self.faults }
    }

    fn refuse(&mut self, error: &toml::de::Error) {
        let span = error.span();
        let place = span.clone().map(|span| self.place(span.start));
        let (key, message) = if error.message() == "duplicate key" {
            // The parser gave up, so there is no tree to find the key in.
            let key = span.and_then(|span| self.text.get(span)).map(str::to_owned);
            (key, "stands here a second time; keep one".to_owned())
        } else {
            (span.and_then(|span| key_at(&self.tree, span.start)), explain(error.message()))
        };
        self.faults.push(Fault { place, key, message });
    }

    fn place(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        (1 + before.matches('\n').count(), 1 + before[line_start..].chars().count())
    }
}

/// Where a key path stands; where it does not, the nearest table above it.
fn locate(tree: &DeTable<'_>, path: &str) -> Option<Range<usize>> {
    let mut table = tree;
    let mut found = None;
    for part in path.split('.') {
        let (key, index) = match part.split_once('[') {
            Some((key, index)) => (key, index.trim_end_matches(']').parse::<usize>().ok()),
            None => (part, None),
        };
        let Some((at, value)) = table.get_key_value(key) else { break };
        found = Some(at.span());
        let mut value = value;
        if let Some(index) = index {
            let Some(item) = value.get_ref().as_array().and_then(|items| items.get(index)) else {
                break;
            };
            found = Some(item.span());
            value = item;
        }
        let Some(below) = value.get_ref().as_table() else { break };
        table = below;
    }
    found
}

/// The path of the key or value at an offset.
fn key_at(table: &DeTable<'_>, offset: usize) -> Option<String> {
    table.iter().find_map(|(key, value)| {
        let name = key.get_ref();
        if key.span().contains(&offset) {
            return Some(name.to_string());
        }
        match value.get_ref() {
            DeValue::Table(below) => key_at(below, offset).map(|path| format!("{name}.{path}")),
            DeValue::Array(items) => {
                let in_item = items.iter().enumerate().find_map(|(index, item)| {
                    let path = key_at(item.get_ref().as_table()?, offset)?;
                    Some(format!("{name}[{index}].{path}"))
                });
                in_item.or_else(|| value.span().contains(&offset).then(|| name.to_string()))
            }
            _ => value.span().contains(&offset).then(|| name.to_string()),
        }
    })
}

/// The parser's words in those of the manual, with a suggestion for a misspelt key.
fn explain(message: &str) -> String {
    if let Some(rest) = message.strip_prefix("unknown field `") {
        let mut words = rest.split('`');
        let unknown = words.next().unwrap_or_default();
        let known: Vec<&str> = words.skip(1).step_by(2).collect();
        return unknown_key(unknown, &known);
    }
    let plain = message
        .replace("expected i64", "expected a whole number")
        .replace("invalid type: map", "invalid type: a table")
        .replace("invalid type: sequence", "invalid type: an array");
    match plain.split_once("expected struct ") {
        Some((before, _)) => format!("{before}expected a table of keys"),
        None => plain,
    }
}

fn unknown_key(unknown: &str, known: &[&str]) -> String {
    let near = known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(unknown, name), name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .min();
    let hint = near.map_or_else(String::new, |(_, name)| format!("; did you mean `{name}`?"));
    format!("there is no key `{unknown}` here{hint} (keys here: `{}`)", known.join("`, `"))
}

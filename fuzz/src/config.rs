//! Configuration files of both roles.

use std::path::Path;

use causeway::config::{ConfigError, ConnectorConfig, ProxyConfig};

/// Any text is a configuration or a list of faults with places in it.
pub fn config(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let base = Path::new("/nonexistent");
    if let Err(error) = ProxyConfig::parse(&text, base) {
        check(&error, &text);
    }
    if let Err(error) = ConnectorConfig::parse(&text, base) {
        check(&error, &text);
    }
}

fn check(error: &ConfigError, text: &str) {
    assert!(!error.faults.is_empty(), "refused for no reason");
    assert!(!error.to_string().is_empty());
    let lines = text.split('\n').count();
    for (line, column) in error.faults.iter().filter_map(|fault| fault.place) {
        assert!((1..=lines).contains(&line), "line {line} of {lines}: {error}");
        let columns = text.split('\n').nth(line - 1).map_or(0, |line| line.chars().count());
        assert!((1..=columns + 1).contains(&column), "column {column} of {columns}: {error}");
    }
}

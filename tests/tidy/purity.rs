//! Pure layers get bytes and `now` and return outputs.

use crate::source::{Finding, Source, words};

const PURE: [&str; 4] = ["protocol", "tls", "tunnel", "mapping"];

/// Names no pure layer has a use for.
const WORDS: [&str; 5] = ["TcpStream", "TcpListener", "UdpSocket", "UnixStream", "tracing"];
/// Paths no pure layer has a use for, without blanks.
const PATHS: [(&str, &str); 2] = [("Instant", "now"), ("SystemTime", "now")];

/// No clock, socket, thread or log in a pure layer, its unit tests apart.
pub(crate) fn pure(source: &Source) -> Vec<Finding> {
    if !source.layer().is_some_and(|layer| PURE.contains(&layer)) {
        return Vec::new();
    }
    let code = &source.code[..tests_start(source)];
    let mut places: Vec<(usize, &str)> = Vec::new();
    for word in WORDS {
        places.extend(words(code, word).map(|offset| (offset, word)));
    }
    for (first, second) in PATHS {
        let clocks =
            words(code, first).filter(|offset| followed_by(code, offset + first.len(), second));
        places.extend(clocks.map(|offset| (offset, first)));
    }
    places.extend(
        words(code, "thread").filter(|at| is_std_thread(code, *at)).map(|at| (at, "thread")),
    );
    let layer = source.layer().unwrap_or_default();
    places
        .into_iter()
        .map(|(at, word)| source.finding_at(at, format!("{layer} is pure: no {word} here")))
        .collect()
}

/// Where the unit tests at the bottom of the file begin.
fn tests_start(source: &Source) -> usize {
    let code = &source.code;
    if source.path.ends_with("/tests.rs") || source.path.contains("/tests/") {
        return 0;
    }
    let attribute = "#[cfg(test)]";
    let Some(start) = code.rfind(attribute) else { return code.len() };
    let module = code[start + attribute.len()..].trim_start();
    let bottom = code.trim_end().ends_with('}') && closes_at_the_end(module);
    if module.starts_with("mod ") && bottom { start } else { code.len() }
}

fn closes_at_the_end(module: &str) -> bool {
    let mut depth = 0;
    for (offset, character) in module.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => continue,
        }
        if depth == 0 {
            return module[offset + 1..].trim().is_empty();
        }
    }
    false
}

fn followed_by(code: &str, end: usize, name: &str) -> bool {
    let rest = code[end..].trim_start().strip_prefix("::").map(str::trim_start);
    rest.is_some_and(|rest| words(rest, name).next() == Some(0))
}

/// `thread::…`, or `thread` brought in by a `use` of std.
fn is_std_thread(code: &str, offset: usize) -> bool {
    let path = code[offset + "thread".len()..].trim_start().starts_with("::");
    let import = code[..offset].rfind("use std::");
    path || import.is_some_and(|start| !code[start..offset].contains(';'))
}

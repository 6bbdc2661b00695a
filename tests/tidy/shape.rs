//! How long things may get and how a module begins.

use crate::source::{Finding, Source, is_identifier, line_of, words};

const FILE_LINES_MAX: usize = 400;
const FUNCTION_LINES_MAX: usize = 70;
const LINE_COLUMNS_MAX: usize = 100;

/// Files, functions and lines are short enough to be read.
pub(crate) fn short(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    let file_lines = source.raw.lines().count();
    if file_lines > FILE_LINES_MAX {
        let rule = format!("the file has {file_lines} lines, {FILE_LINES_MAX} are allowed");
        findings.push(source.finding(file_lines, rule));
    }
    for (index, line) in source.raw.lines().enumerate() {
        let columns = line.chars().count();
        if columns > LINE_COLUMNS_MAX {
            let rule = format!("the line has {columns} columns, {LINE_COLUMNS_MAX} are allowed");
            findings.push(source.finding(index + 1, rule));
        }
    }
    for start in words(&source.code, "fn") {
        let Some(end) = function_end(&source.code, start) else { continue };
        let lines = line_of(&source.code, end) - line_of(&source.code, start) + 1;
        if lines > FUNCTION_LINES_MAX {
            let rule = format!("the function has {lines} lines, {FUNCTION_LINES_MAX} are allowed");
            findings.push(source.finding_at(start, rule));
        }
    }
    findings
}

/// The closing brace of the function that begins at `start`; none for a type or a declaration.
fn function_end(code: &str, start: usize) -> Option<usize> {
    let after = start + "fn".len();
    if !code[after..].trim_start().starts_with(is_identifier) {
        return None;
    }
    // The semicolon of `[u8; 2]` in a signature ends nothing.
    let (mut brackets, mut braces) = (0, 0);
    for (offset, character) in code[after..].char_indices() {
        match character {
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets -= 1,
            ';' if brackets == 0 && braces == 0 => return None,
            '{' => braces += 1,
            '}' => {
                braces -= 1;
                if braces == 0 {
                    return Some(after + offset);
                }
            }
            _ => {}
        }
    }
    None
}

/// A `mod.rs` holds modules and re-exports, and nothing that could be looked for elsewhere.
pub(crate) fn contents(source: &Source) -> Vec<Finding> {
    if !source.path.ends_with("/mod.rs") {
        return Vec::new();
    }
    const ITEMS: [&str; 8] =
        ["fn", "struct", "enum", "trait", "impl", "const", "static", "macro_rules"];
    let mut findings = Vec::new();
    for item in ITEMS {
        for at in words(&source.code, item) {
            findings.push(source.finding_at(at, format!("mod.rs is a table of contents: {item}")));
        }
    }
    findings
}

/// Every file begins by saying what it is.
pub(crate) fn introduced(source: &Source) -> Vec<Finding> {
    if source.raw.starts_with("//! ") {
        return Vec::new();
    }
    vec![source.finding(1, "the file does not begin with //! and what it is")]
}

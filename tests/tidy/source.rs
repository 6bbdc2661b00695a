//! One source file in three views, and the walk that finds them all.

use std::{fmt, fs, path::Path};

/// A file and what of it is code.
pub(crate) struct Source {
    /// From the root of the repository, with slashes.
    pub(crate) path: String,
    /// As it is.
    pub(crate) raw: String,
    /// Without the inside of comments and of literals; every line keeps its number.
    pub(crate) code: String,
    /// Without the inside of literals only.
    pub(crate) prose: String,
}

/// A broken rule.
#[derive(Debug)]
pub(crate) struct Finding {
    path: String,
    /// Counted from 1.
    pub(crate) line: usize,
    rule: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}", self.path, self.line, self.rule)
    }
}

impl Source {
    /// The views of a text.
    pub(crate) fn new(path: &str, raw: &str) -> Self {
        let (code, prose) = views(raw);
        Self { path: path.to_owned(), raw: raw.to_owned(), code, prose }
    }

    /// The layer it belongs to; none outside of `src/` and for the crate roots.
    pub(crate) fn layer(&self) -> Option<&str> {
        let inside = self.path.strip_prefix("src/")?;
        match inside.split_once('/') {
            Some((layer, _)) => Some(layer),
            None if matches!(inside, "lib.rs" | "main.rs") => None,
            None => inside.strip_suffix(".rs"),
        }
    }

    /// A finding on a line.
    pub(crate) fn finding(&self, line: usize, rule: impl Into<String>) -> Finding {
        Finding { path: self.path.clone(), line, rule: rule.into() }
    }

    /// A finding at a byte of `code`.
    pub(crate) fn finding_at(&self, offset: usize, rule: impl Into<String>) -> Finding {
        self.finding(line_of(&self.code, offset), rule)
    }
}

/// Number of the line a byte is on.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    text[..offset].matches('\n').count() + 1
}

/// Where `word` stands as a whole identifier.
pub(crate) fn words<'t>(text: &'t str, word: &'t str) -> impl Iterator<Item = usize> + 't {
    text.match_indices(word).map(|(offset, _)| offset).filter(move |offset| {
        let before = text[..*offset].chars().next_back();
        let after = text[offset + word.len()..].chars().next();
        !before.is_some_and(is_identifier) && !after.is_some_and(is_identifier)
    })
}

/// Whether a character can be inside an identifier.
pub(crate) fn is_identifier(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

/// Every Rust file of the repository.
pub(crate) fn all() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    for directory in ["src", "tests", "benches", "loadtest", "fuzz"] {
        walk(root, &root.join(directory), &mut sources);
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    sources
}

fn walk(root: &Path, directory: &Path, sources: &mut Vec<Source>) {
    // A directory that does not exist yet has nothing untidy in it.
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            walk(root, &path, sources);
        } else if name.ends_with(".rs") {
            let relative = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
            sources.push(Source::new(&relative, &fs::read_to_string(&path).unwrap()));
        }
    }
}

/// What stands at some place of a text.
enum Piece {
    Code,
    Comment,
    Literal,
}

fn views(raw: &str) -> (String, String) {
    let (mut code, mut prose) = (String::new(), String::new());
    let mut rest = raw;
    let mut before = ' ';
    while !rest.is_empty() {
        let (piece, length) = next_piece(rest, before);
        let (text, remaining) = rest.split_at(length);
        before = text.chars().next_back().unwrap_or(' ');
        let blank = || text.chars().map(|c| if c == '\n' { c } else { ' ' }).collect::<String>();
        match piece {
            Piece::Code => {
                code.push_str(text);
                prose.push_str(text);
            }
            Piece::Comment => {
                code.push_str(&blank());
                prose.push_str(text);
            }
            Piece::Literal => {
                code.push_str(&blank());
                prose.push_str(&blank());
            }
        }
        rest = remaining;
    }
    (code, prose)
}

/// The next comment, the next literal or one character of code, with its bytes.
fn next_piece(rest: &str, before: char) -> (Piece, usize) {
    let first = rest.chars().next().unwrap_or(' ');
    if rest.starts_with("//") {
        return (Piece::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Piece::Comment, block_comment(rest));
    }
    if first == '"' {
        return (Piece::Literal, quoted(rest, '"'));
    }
    if first == '\'' {
        // A quote that closes after one character is a literal; any other is a lifetime.
        let mut inside = rest.chars().skip(1);
        let literal = inside.next() == Some('\\') || inside.next() == Some('\'');
        return if literal { (Piece::Literal, quoted(rest, '\'')) } else { (Piece::Code, 1) };
    }
    if matches!(first, 'r' | 'b' | 'c') && !is_identifier(before) {
        let prefix = rest.len() - rest.trim_start_matches(['r', 'b', 'c']).len();
        let hashes = rest[prefix..].len() - rest[prefix..].trim_start_matches('#').len();
        let raw = rest[..prefix].ends_with('r') && rest[prefix + hashes..].starts_with('"');
        if raw {
            let start = prefix + hashes + 1;
            let end = format!("\"{}", "#".repeat(hashes));
            let length = rest[start..].find(&end).map(|at| start + at + end.len());
            return (Piece::Literal, length.unwrap_or(rest.len()));
        }
    }
    (Piece::Code, first.len_utf8())
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (offset, character) in rest.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if character == '\\' {
            escaped = true;
        } else if character == quote {
            return offset + 1;
        }
    }
    rest.len()
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut offset) = (0, 0);
    while offset < rest.len() {
        if rest[offset..].starts_with("/*") {
            depth += 1;
            offset += 2;
        } else if rest[offset..].starts_with("*/") {
            depth -= 1;
            offset += 2;
            if depth == 0 {
                return offset;
            }
        } else {
            offset += rest[offset..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

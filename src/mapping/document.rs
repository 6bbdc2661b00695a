//! Cuts a YAML stream into its documents, so that a syntax error in one leaves the others alone.

/// One document of a file: its text and the 0-based line the text starts at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Document<'a> {
    pub(super) text: &'a str,
    pub(super) first_line: usize,
}

/// The documents of a file, leaving out those with nothing but comments. A `---` or `...` at the
/// first column ends a document whatever it stands in (YAML 1.2.2 §9.1.2), so cutting by lines
/// is exact even where the text around is broken.
pub(super) fn split(text: &str) -> Vec<Document<'_>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut documents = Vec::new();
    let (mut start, mut first_line, mut content) = (0, 0, false);
    // Before its `---` a document has its directives; they and comments are no document yet.
    let mut prolog = true;
    let mut at = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let next = at + line.len();
        let (begins, ends) = (is_marker(line, "---"), is_marker(line, "..."));
        if content && (begins || ends) {
            documents.push(Document { text: &text[start..at], first_line });
        }
        if begins {
            if content || !prolog {
                (start, first_line) = (at, number);
            }
            content = has_content(&line[3..]);
            prolog = false;
        } else if ends {
            (start, first_line, content) = (next, number + 1, false);
            prolog = true;
        } else if has_content(line) && !(prolog && line.starts_with('%')) {
            content = true;
            prolog = false;
        }
        at = next;
    }
    if content {
        documents.push(Document { text: &text[start..], first_line });
    }
    documents
}

fn is_marker(line: &str, marker: &str) -> bool {
    line.strip_prefix(marker)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

fn has_content(line: &str) -> bool {
    let line = line.trim_start();
    !line.is_empty() && !line.starts_with('#')
}

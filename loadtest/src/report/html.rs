//! The frame of a page that needs nothing but itself, light or dark as the reader has it.

/// Colours that stay apart on light and on dark, also for most who see fewer.
const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1c1e21;--paper:#fff;--line:#c8ccd2}\
@media(prefers-color-scheme:dark){:root{--ink:#e6e8eb;--paper:#16181b;--line:#4a4f57}}\
body{font:15px/1.45 system-ui,sans-serif;color:var(--ink);background:var(--paper);\
max-width:62rem;margin:2rem auto;padding:0 1rem}\
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.15rem .7rem;text-align:right;\
border-bottom:1px solid var(--line)}td:first-child,th:first-child{text-align:left}\
.scroll{overflow-x:auto}.bad{color:#d1242f;font-weight:600}pre{white-space:pre-wrap}\
svg{max-width:100%;height:auto}svg text{fill:var(--ink);font:12px system-ui,sans-serif}\
.grid{stroke:var(--line)}.whisker{stroke:var(--ink);stroke-width:2}";

/// A page with a title and a body that is HTML already.
pub(super) fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{0}</title>\
         <style>{STYLE}</style></head>\n<body><h1>{0}</h1>\n{body}</body></html>\n",
        escape(title)
    )
}

/// A table whose first row is its head.
pub(super) fn table<R: AsRef<[String]>>(rows: &[R]) -> String {
    let mut out = String::from("<div class=\"scroll\"><table>");
    for (index, row) in rows.iter().enumerate() {
        let tag = if index == 0 { "th" } else { "td" };
        let cells = row.as_ref().iter().map(|cell| format!("<{tag}>{}</{tag}>", escape(cell)));
        out += &format!("<tr>{}</tr>\n", cells.collect::<String>());
    }
    out + "</table></div>\n"
}

/// The sentence above everything, red where it tells of errors.
pub(super) fn headline(words: &str) -> String {
    let class = if words.contains("ERRORS") { " class=\"bad\"" } else { "" };
    format!("<p{class}>{}</p>\n", escape(words))
}

/// Text as it is.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

//! The page as it is served: its files, their headers, and that they ask nobody else for anything.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::Path,
    time::Duration,
};

use flate2::read::GzDecoder;

use crate::house::House;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' \
                      data:; connect-src 'self'; form-action 'none'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// What the page may weigh in all.
const GZIPPED_BYTES_MAX: usize = 100 * 1024;

/// Every file there is, by its name.
fn files() -> Vec<(String, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/management/web/assets");
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path))
        .map(|(name, path)| (name, fs::read(path).unwrap()))
        .collect();
    files.sort();
    assert!(files.len() > 10, "only {} files", files.len());
    files
}

fn texts() -> Vec<(String, String)> {
    files().into_iter().map(|(name, bytes)| (name, String::from_utf8(bytes).unwrap())).collect()
}

/// An answer whose body is bytes.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    #[track_caller]
    fn says(&self, name: &str, value: &str) {
        assert_eq!(self.header(name), Some(value), "{name} of {}", self.head);
    }
}

fn ask(house: &House, line: &str, headers: &[(&str, &str)]) -> Answer {
    let mut stream = TcpStream::connect(house.addr).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut head = format!("{line} HTTP/1.1\r\nHost: connector:8443\r\nConnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all((head + "\r\n").as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head, body: bytes[end + 4..].to_vec() }
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').unwrap().1 {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        other => panic!("{other}: what is it?"),
    }
}

#[test]
fn every_file_is_served_as_what_it_is_to_everybody() {
    let house = House::empty();
    for (name, bytes) in files() {
        let paths = [format!("/assets/{name}"), "/".to_owned()];
        let paths = &paths[..if name == "index.html" { 2 } else { 1 }];
        for path in paths {
            let answer = ask(&house, &format!("GET {path}"), &[]);
            assert_eq!(answer.status, 200, "{path}");
            assert!(answer.body == bytes, "{path} is another file");
            answer.says("content-type", content_type(&name));
            answer.says("content-length", &bytes.len().to_string());
            answer.says("cache-control", "no-cache");
            answer.says("referrer-policy", "no-referrer");
            answer.says("vary", "Accept-Encoding");
            assert_eq!(answer.header("content-encoding"), None);
            let head = ask(&house, &format!("HEAD {path}"), &[]);
            assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
            for header in ["content-type", "content-length", "etag", "cache-control"] {
                assert_eq!(head.header(header), answer.header(header), "{header} of {path}");
            }
        }
    }
}

#[test]
fn every_answer_forbids_what_the_page_does_not_do() {
    let house = House::empty();
    let tag = ask(&house, "GET /", &[]).header("etag").unwrap().to_owned();
    for (line, headers, status) in [
        ("GET /", vec![], 200),
        ("HEAD /", vec![], 200),
        ("GET /", vec![("If-None-Match", tag.as_str())], 304),
        ("GET /assets/app.js", vec![], 200),
        ("GET /assets/none.js", vec![], 404),
        ("GET /assets/%ff", vec![], 400),
        ("POST /", vec![], 401),
        ("GET /none", vec![], 401),
        ("GET /api/v1/session", vec![], 401),
    ] {
        let answer = ask(&house, line, &headers);
        assert_eq!(answer.status, status, "{line}");
        answer.says("content-security-policy", POLICY);
        answer.says("x-content-type-options", "nosniff");
    }
    // What is told by REST is not kept; the page is, and asked for again.
    ask(&house, "GET /api/v1/session", &[]).says("cache-control", "no-store");
}

#[test]
fn a_browser_that_has_a_file_is_told_so() {
    let house = House::empty();
    let mut tags = BTreeSet::new();
    for (name, _) in files() {
        for encoding in ["identity", "gzip"] {
            let line = format!("GET /assets/{name}");
            let accept = ("Accept-Encoding", encoding);
            let tag = ask(&house, &line, &[accept]).header("etag").unwrap().to_owned();
            assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 20, "{tag}");
            let known = ask(&house, &line, &[accept, ("If-None-Match", &tag)]);
            assert_eq!((known.status, known.body.len()), (304, 0), "{name}");
            known.says("etag", &tag);
            known.says("cache-control", "no-cache");
            let other = ask(&house, &line, &[accept, ("If-None-Match", "\"other\"")]);
            assert_eq!(other.status, 200, "{name}");
            tags.insert(tag);
        }
    }
    assert_eq!(tags.len(), 2 * files().len(), "two answers have one tag");
}

#[test]
fn gzip_is_smaller_and_the_same_and_the_whole_page_is_light() {
    let house = House::empty();
    let mut sum = 0;
    for (name, bytes) in files() {
        // The second time it is not made again.
        for _ in 0..2 {
            let headers = [("Accept-Encoding", "br, gzip;q=0.8")];
            let answer = ask(&house, &format!("GET /assets/{name}"), &headers);
            answer.says("content-encoding", "gzip");
            answer.says("content-type", content_type(&name));
            assert!(answer.body.len() < bytes.len(), "{name} grows");
            let mut inflated = Vec::new();
            GzDecoder::new(&*answer.body).read_to_end(&mut inflated).unwrap();
            assert!(inflated == bytes, "{name} is another one");
            sum += answer.body.len();
        }
    }
    assert!(sum / 2 <= GZIPPED_BYTES_MAX, "the page has {} bytes", sum / 2);
}

#[test]
fn what_is_no_file_of_the_page_is_not_found() {
    let house = House::empty();
    for path in ["none.js", "style", "%2e%2e%2fserve.rs", "..%2fmod.rs", "app.js%00", "App.js"] {
        let reply = house.send(&format!("GET /assets/{path}"), &[], None);
        let message = reply.fails(404, "NOT_FOUND");
        assert!(message.starts_with("there is no /assets/"), "{message}");
    }
    // These are no paths of files, and nobody is told what there is.
    for path in ["/assets/", "/assets", "/assets/a/b.js", "/assets/../Cargo.toml", "/index.html"] {
        house.send(&format!("GET {path}"), &[], None).fails(401, "FORBIDDEN_REQUEST");
    }
}

/// What stands between `begin` and the next `end`, everywhere in a text.
fn between<'t>(text: &'t str, begin: &'t str, end: char) -> impl Iterator<Item = &'t str> {
    text.match_indices(begin).map(move |(at, _)| {
        let rest = &text[at + begin.len()..];
        &rest[..rest.find(end).unwrap_or(rest.len())]
    })
}

#[test]
fn every_file_is_there_that_is_named_and_named_that_is_there() {
    let texts = texts();
    let there: BTreeSet<&str> = texts.iter().map(|(name, _)| name.as_str()).collect();
    let mut named = BTreeSet::from(["index.html"]);
    for (_, text) in &texts {
        named.extend(between(text, "\"/assets/", '"'));
        named.extend(between(text, "from \"./", '"'));
    }
    assert_eq!(named, there);
    // A browser asks for all of them at once, not for one after the other.
    let index = &texts.iter().find(|(name, _)| name == "index.html").unwrap().1;
    for name in there.iter().filter(|name| name.ends_with(".js")) {
        assert!(index.contains(&format!("\"/assets/{name}\"")), "{name} is asked for late");
    }
}

#[test]
fn no_file_asks_another_origin() {
    // Names, not addresses.
    let names = ["\"http://www.w3.org/2000/svg\""];
    for (file, text) in texts() {
        let text = names.iter().fold(text, |text, name| text.replace(name, "\"\""));
        for far in ["http:", "https:", "\"ws:", "wss:", "url(", "@import", "src=\"//", "href=\"//"]
        {
            assert!(!text.contains(far), "{file} has {far}");
        }
        for attribute in ["src=\"", "href=\""] {
            for place in between(&text, attribute, '"') {
                let near = place.starts_with("/assets/") || place.starts_with('#');
                assert!(near, "{file} has {attribute}{place}");
            }
        }
        for place in between(&text, "from \"", '"') {
            assert!(place.starts_with("./"), "{file} imports {place}");
        }
    }
}

/// The policy would stop most of it, at the expense of whoever uses the page.
#[test]
fn nothing_is_inline_and_data_never_becomes_markup() {
    for (file, text) in texts() {
        let mut forbidden = vec![
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "\"style\"",
            "javascript:",
            "srcdoc",
            "console.",
        ];
        if file.ends_with(".html") {
            forbidden.extend(["<style", " style=", "<script>", " onload", " onclick"]);
        }
        for word in forbidden {
            assert!(!text.contains(word), "{file} has {word}");
        }
        let long = text.lines().position(|line| line.chars().count() > 100);
        assert_eq!(long, None, "{file} has a line that is too long");
        assert!(text.lines().count() <= 400, "{file} is too long");
    }
}

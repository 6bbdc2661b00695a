//! A client of the admin API that holds every answer against the description of the API.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use serde_json::{Value, json};

use super::DEADLINE;

/// The admin API of one process.
pub struct Api {
    pub address: SocketAddr,
    description: Value,
}

impl Api {
    /// Of the process whose admin server is there.
    pub fn new(address: SocketAddr) -> Self {
        let (status, text) = exchange(address, "GET", "/openapi.json", &[], "");
        assert_eq!(status, 200, "{text}");
        Self { address, description: serde_json::from_str(&text).unwrap() }
    }

    /// A GET that must be answered 200.
    pub fn get(&self, path: &str) -> Value {
        let (status, answer) = self.ask("GET", path, "");
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    /// Status and answer of a GET.
    pub fn try_get(&self, path: &str) -> (u16, Value) {
        self.ask("GET", path, "")
    }

    /// Any request, whose answer must be one that is described.
    pub fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let (status, text) = exchange(self.address, method, path, &[], body);
        let answer: Value = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{method} {path}: {error}: {text}"));
        self.check(method, path, status, &answer);
        (status, answer)
    }

    fn check(&self, method: &str, path: &str, status: u16, answer: &Value) {
        let operation = self.operation(method, path);
        let mut response = &operation["responses"][status.to_string()];
        if let Some(elsewhere) = response["$ref"].as_str() {
            let pointer = elsewhere.strip_prefix('#').unwrap();
            response = self.description.pointer(pointer).unwrap();
        }
        let schema = &response["content"]["application/json"]["schema"];
        assert!(schema.is_object(), "{method} {path}: {status} is not described: {answer}");
        let whole = json!({ "allOf": [schema], "components": self.description["components"] });
        let validator = jsonschema::draft202012::new(&whole).unwrap();
        let faults: Vec<String> = validator
            .iter_errors(answer)
            .map(|fault| format!("{}: {fault}", fault.instance_path()))
            .collect();
        assert!(faults.is_empty(), "{method} {path}: {faults:#?}\n{answer:#}");
    }

    fn operation(&self, method: &str, path: &str) -> &Value {
        let path = path.split('?').next().unwrap();
        let same = |template: &str| {
            let (mut one, mut other) = (template.split('/'), path.split('/'));
            loop {
                match (one.next(), other.next()) {
                    (None, None) => return true,
                    (Some(part), Some(_)) if part.starts_with('{') => {}
                    (Some(part), Some(given)) if part == given => {}
                    _ => return false,
                }
            }
        };
        let paths = self.description["paths"].as_object().unwrap();
        let template = paths.keys().find(|template| same(template));
        let template = template.unwrap_or_else(|| panic!("{path} is not described"));
        &paths[template][method.to_lowercase()]
    }
}

/// One request: status and body.
pub fn exchange(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    exchange_on(&mut stream, method, path, headers, body)
}

/// One request on a connection that is there, plain or TLS, which it ends.
pub fn exchange_on(
    stream: &mut (impl Read + Write),
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, String) {
    let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        head.push_str("Host: localhost\r\n");
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

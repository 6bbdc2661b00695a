//! A management that is served over HTTP on loopback, and a client without comfort. Only the
//! connector that it would tell what to carry is none: that writes down what it is told.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{Arc, Mutex, OnceLock},
    thread::JoinHandle,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use causeway::{
    management::{
        Carrier, ChannelReport, FileManaged, Latency,
        accounts::{Role, hash},
        rest::{Desk, router},
        store::{Account, Channel, Owner, Store, Subaccount},
    },
    tls::{Authority, Validity},
};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::store::{FURNISHED, edit};

pub(crate) const PASSWORD: &str = "vier alte Züge";
pub(crate) const REGION: &str = "cf.eu12.example.com";
pub(crate) const GUID: &str = "6a8e0fd5-32a4-4f1c-9d7e-0c2b7a3b1e55";
pub(crate) const SINCE: i64 = 1_785_830_589_246;

/// The moment of the tests, give or take.
pub(crate) fn validity() -> Validity {
    let now = SystemTime::now();
    let day = Duration::from_secs(24 * 3600);
    Validity { not_before: now - day, not_after: now + 30 * day }
}

/// Writes down what it is told to carry.
#[derive(Default)]
pub(crate) struct Recorder {
    carried: Mutex<Vec<(Subaccount, Vec<Channel>)>>,
    /// What is to be wrong with channels on these ports.
    pub(crate) broken: Mutex<BTreeMap<u16, &'static str>>,
    pub(crate) turns: Mutex<usize>,
    /// What the configuration file names.
    pub(crate) file: Mutex<FileManaged>,
    /// Open streams of channels, and bytes from and to their services.
    pub(crate) figures: Mutex<BTreeMap<i64, (u64, u64, u64)>>,
}

impl Recorder {
    /// Every channel that is to be open.
    pub(crate) fn open(&self) -> Vec<i64> {
        let carried = self.carried.lock().unwrap();
        let connected = carried.iter().filter(|(one, _)| one.connected);
        let channels = connected.flat_map(|(_, channels)| channels);
        let mut ids: Vec<i64> = channels.filter(|one| one.enabled).map(|one| one.id).collect();
        ids.sort_unstable();
        ids
    }

    pub(crate) fn carried(&self) -> Vec<(Subaccount, Vec<Channel>)> {
        self.carried.lock().unwrap().clone()
    }
}

impl Carrier for Recorder {
    fn carry(&self, wanted: &[(Subaccount, Vec<Channel>)]) {
        *self.turns.lock().unwrap() += 1;
        *self.carried.lock().unwrap() = wanted.to_vec();
    }

    fn channel(&self, id: i64) -> Option<ChannelReport> {
        let mut all = self.carried();
        all.extend(self.file.lock().unwrap().subaccounts.clone());
        let (_, channels) = all.iter().find(|(one, channels)| {
            one.connected && channels.iter().any(|channel| channel.id == id && channel.enabled)
        })?;
        let made = &channels.iter().find(|channel| channel.id == id)?.made;
        let problem = self.broken.lock().unwrap().get(&made.port).map(|why| (*why).to_owned());
        let works = problem.is_none();
        let figures = self.figures.lock().unwrap().get(&id).copied();
        let (open_streams, received, sent) = figures.unwrap_or_default();
        Some(ChannelReport {
            open: if works { made.connections } else { 0 },
            connected_since: works.then_some(SINCE),
            problem,
            open_streams,
            received,
            sent,
        })
    }

    fn of_file(&self) -> FileManaged {
        self.file.lock().unwrap().clone()
    }

    fn latency(&self) -> Vec<Latency> {
        let us = Duration::from_micros;
        let [p50, p90, p99, max] = [us(100), us(200), us(300), us(4000)];
        vec![Latency { name: "open", count: 7, p50, p90, p99, max }]
    }
}

/// What is served, and where.
pub(crate) struct House {
    pub(crate) addr: SocketAddr,
    pub(crate) carrier: Arc<Recorder>,
    pub(crate) store: Arc<Store>,
    pub(crate) desk: Arc<Desk>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    place: tempfile::TempDir,
}

impl House {
    /// One without accounts.
    pub(crate) fn empty() -> Self {
        Self::over(tempfile::tempdir().unwrap())
    }

    /// One with an account for each role, called as the role is.
    pub(crate) fn new() -> Self {
        let house = Self::empty();
        for role in Role::ALL {
            house.add_account(role.name(), role.name());
        }
        house
    }

    /// One over a directory with a store in it.
    pub(crate) fn over(place: tempfile::TempDir) -> Self {
        let store = Arc::new(Store::open(place.path()).unwrap());
        let carrier = Arc::new(Recorder::default());
        let desk = Desk::open(store.clone(), carrier.clone()).unwrap();
        // As the admin server: one thread, and few that may wait for the disk.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(4)
            .build()
            .unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let served = router(desk.clone());
        let thread = std::thread::spawn(move || {
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let service = served.into_make_service_with_connect_info::<SocketAddr>();
                tokio::select! {
                    served = axum::serve(listener, service) => served.unwrap(),
                    _ = stopped => {}
                }
            });
        });
        Self { addr, carrier, store, desk, stop: Some(stop), thread: Some(thread), place }
    }

    /// Another process over the same directory.
    pub(crate) fn again(mut self) -> Self {
        self.end();
        let place = std::mem::replace(&mut self.place, tempfile::tempdir().unwrap());
        drop(self);
        Self::over(place)
    }

    fn end(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }

    pub(crate) fn add_account(&self, name: &str, role: &str) {
        static HASH: OnceLock<String> = OnceLock::new();
        let account = Account {
            name: name.to_owned(),
            role: role.to_owned(),
            password: Some(HASH.get_or_init(|| hash(PASSWORD)).clone()),
            certificate: None,
            created_at: 1,
        };
        edit(&self.store, |edit| edit.add_account(&account)).unwrap();
    }

    /// Sends a request as it is given and reads the answer to its end.
    pub(crate) fn raw(&self, request: &[u8]) -> Reply {
        raw(self.addr, request)
    }

    /// With headers, and a body where there is one.
    pub(crate) fn send(&self, line: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Reply {
        let mut head = format!("{line} HTTP/1.1\r\nHost: connector:8443\r\nConnection: close\r\n");
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        if let Some(body) = body {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        let mut request = (head + "\r\n").into_bytes();
        request.extend(body.unwrap_or_default());
        self.raw(&request)
    }

    /// Logs in, as the page does.
    pub(crate) fn log_in(&self, user: &str) -> Client<'_> {
        let body = json!({ "user": user, "password": PASSWORD }).to_string();
        let json = [("Content-Type", "application/json")];
        let reply = self.send("POST /api/v1/session", &json, Some(body.as_bytes()));
        assert_eq!(reply.status, 200, "{reply:?}");
        let cookie = reply.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        let token = reply.json()["csrfToken"].as_str().unwrap().to_owned();
        let headers = vec![("Cookie".to_owned(), cookie), ("X-CSRF-Token".to_owned(), token)];
        Client { house: self, headers }
    }

    /// Shows the password each time, as the incumbent's own client does.
    pub(crate) fn basic(&self, user: &str) -> Client<'_> {
        let headers = vec![("Authorization".to_owned(), basic(user, PASSWORD))];
        Client { house: self, headers }
    }

    /// Shows nothing.
    pub(crate) fn nobody(&self) -> Client<'_> {
        Client { house: self, headers: Vec::new() }
    }

    /// What requests had written to the log of changes, newest first.
    pub(crate) fn changes(&self) -> Vec<String> {
        let mut changes = self.store.changes(None, 10_000).unwrap();
        changes.retain(|one| one.what != FURNISHED);
        let line = |one: causeway::management::store::Change| {
            format!("{}@{} {}", one.account, one.source, one.what)
        };
        changes.into_iter().map(line).collect()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.end();
    }
}

/// Sends a request as it is given and reads the answer to its end.
pub(crate) fn raw(addr: SocketAddr, request: &[u8]) -> Reply {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(request).unwrap();
    Reply::read(&mut stream)
}

/// The value of `Authorization`.
pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

/// Somebody who sends requests.
pub(crate) struct Client<'h> {
    house: &'h House,
    pub(crate) headers: Vec<(String, String)>,
}

impl Client<'_> {
    pub(crate) fn get(&self, path: &str) -> Reply {
        self.ask("GET", path, None)
    }

    pub(crate) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Reply {
        let mut headers: Vec<(&str, &str)> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        if body.is_some() {
            headers.push(("Content-Type", "application/json"));
        }
        let body = body.map(Value::to_string);
        let body = body.as_deref().map(str::as_bytes);
        self.house.send(&format!("{method} {path}"), &headers, body)
    }

    /// Sends a form.
    pub(crate) fn put_form(&self, path: &str, parts: &[(&str, &[u8])]) -> Reply {
        let (kind, body) = form(parts);
        let mut headers: Vec<(&str, &str)> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        headers.push(("Content-Type", &kind));
        self.house.send(&format!("PUT {path}"), &headers, Some(&body))
    }
}

/// The body of a form, and its type.
pub(crate) fn form(parts: &[(&str, &[u8])]) -> (String, Vec<u8>) {
    let mut body = Vec::new();
    for (name, bytes) in parts {
        let file = if *name == "backup" { "; filename=\"causeway.backup\"" } else { "" };
        let head = format!("Content-Disposition: form-data; name=\"{name}\"{file}");
        body.extend(format!("--edge\r\n{head}\r\n\r\n").bytes());
        body.extend(*bytes);
        body.extend(b"\r\n");
    }
    body.extend(b"--edge--\r\n");
    ("multipart/form-data; boundary=edge".to_owned(), body)
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
    /// The body, where that is no text.
    pub(crate) bytes: Vec<u8>,
}

impl Reply {
    fn read(stream: &mut TcpStream) -> Self {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        let end = all.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("{:?}", String::from_utf8_lossy(&all)));
        let head = String::from_utf8(all[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let bytes = all[end + 4..].to_vec();
        Self { status, head, body: String::from_utf8_lossy(&bytes).into_owned(), bytes }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Is an error of that status and type, in the form all have; says its message.
    #[track_caller]
    pub(crate) fn fails(&self, status: u16, kind: &str) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        let said = self.json();
        let fields = said.as_object().unwrap();
        assert_eq!(fields.keys().collect::<Vec<_>>(), ["message", "type"], "{self:?}");
        assert_eq!(said["type"], kind, "{self:?}");
        said["message"].as_str().unwrap().to_owned()
    }

    /// Says nothing, under that status.
    #[track_caller]
    pub(crate) fn is_empty(&self, status: u16) {
        assert_eq!((self.status, self.body.as_str()), (status, ""), "{self:?}");
    }
}

/// Where a subaccount is.
pub(crate) fn at(subaccount: &str) -> String {
    format!("/api/v1/configuration/subaccounts/{REGION}/{subaccount}")
}

/// Certificate, key and authorities for a subaccount.
pub(crate) fn material(subaccount: &str) -> [String; 3] {
    static AUTHORITY: OnceLock<(String, String)> = OnceLock::new();
    let (certificate, key) = AUTHORITY.get_or_init(|| {
        let (_, issued) = Authority::create("test CA", validity()).unwrap();
        (issued.certificate_pem, issued.private_key_pem)
    });
    let authority = Authority::load(certificate, key).unwrap();
    let issued = authority.issue_connector(subaccount, None, validity()).unwrap();
    [issued.certificate_pem, issued.private_key_pem, certificate.clone()]
}

/// What makes a subaccount.
pub(crate) fn subaccount(name: &str) -> Value {
    let [certificate, private_key, ca] = material(name);
    json!({
        "regionHost": REGION,
        "subaccount": name,
        "certificate": certificate,
        "privateKey": private_key,
        "ca": ca,
    })
}

/// What makes a channel, as the incumbent's own client writes it.
pub(crate) fn channel(port: u16) -> Value {
    json!({
        "comment": "Created",
        "connections": "1",
        "k8sCluster": "cp.example.com:443",
        "k8sService": "echoserver",
        "port": port.to_string(),
    })
}

pub(crate) fn owner(subaccount: &str) -> Owner {
    Owner { region_host: REGION.to_owned(), subaccount: subaccount.to_owned() }
}

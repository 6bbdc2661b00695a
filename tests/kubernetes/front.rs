//! An HTTP proxy in front of an API server that passes requests on as an administrator, or
//! answers them wrongly. One request a connection.

use std::{
    fs,
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};

use crate::{
    cluster::{Cluster, scratch},
    support::{ClientFiles, DEADLINE, client_of, wait_until},
};

/// What is done instead of passing a request on.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    /// An error of the API; a 429 asks for one second of patience.
    Status(u16, &'static str),
    /// A watch that begins and says that its version is gone.
    GoneEvent,
    /// What no API server says.
    Garbage,
    /// A list that lacks everything, its version as well.
    EmptyList,
    /// A line that breaks off.
    HalfLine,
    /// Passed on, a few bytes at a time.
    Trickle,
}

/// Which requests an action is for, and how often.
#[derive(Clone, Debug)]
pub struct Rule {
    fits: fn(&str, &str) -> bool,
    needle: &'static str,
    action: Action,
    left: usize,
}

impl Rule {
    fn new(fits: fn(&str, &str) -> bool, needle: &'static str, action: Action) -> Self {
        Self { fits, needle, action, left: usize::MAX }
    }

    /// Watches of mappings.
    pub fn watch(action: Action) -> Self {
        Self::new(|line, _| line.contains("watch=true"), "", action)
    }

    /// Lists of mappings.
    pub fn list(action: Action) -> Self {
        let fits = |line: &str, _: &str| {
            line.starts_with("GET ")
                && line.contains("/servicemappings?")
                && !line.contains("watch=true")
        };
        Self::new(fits, "", action)
    }

    /// All pages of a list but the first.
    pub fn page(action: Action) -> Self {
        Self::new(|line, _| line.contains("continue="), "", action)
    }

    /// Writes to what has `needle` in its path.
    pub fn write(needle: &'static str, action: Action) -> Self {
        let fits = |line: &str, needle: &str| !line.starts_with("GET ") && line.contains(needle);
        Self::new(fits, needle, action)
    }

    /// Only the first so many.
    pub fn times(mut self, times: usize) -> Self {
        self.left = times;
        self
    }
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    applied: usize,
    /// Our ends of the watches that run.
    watches: Vec<TcpStream>,
}

/// The proxy; its threads end with their connections.
pub struct Front {
    pub kubeconfig: PathBuf,
    state: Arc<Mutex<State>>,
}

impl Front {
    pub fn new(cluster: &Cluster) -> Self {
        let files = ClientFiles {
            certificate: cluster.pki("admin.crt"),
            private_key: cluster.pki("admin.key"),
        };
        let ca = cluster.pki("ca.crt");
        let client = client_of(&rustls::version::TLS13, &ca, Some(&files));
        let api = SocketAddr::from(([127, 0, 0, 1], cluster.port()));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<Mutex<State>>::default();
        let shared = state.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (state, client) = (shared.clone(), client.clone());
                thread::spawn(move || {
                    // Whatever breaks, breaks for the proxy under test, which is the point.
                    let _ = serve(stream, api, &client, &state);
                });
            }
        });
        let kubeconfig = scratch().join(format!("front-{}.kubeconfig", address.port()));
        let text = format!(
            "apiVersion: v1\nkind: Config\nclusters: [{{name: c, cluster: {{server: \
             \"http://{address}\"}}}}]\nusers: [{{name: u, user: {{}}}}]\ncontexts: [{{name: x, \
             context: {{cluster: c, user: u}}}}]\ncurrent-context: x\n"
        );
        fs::write(&kubeconfig, text).unwrap();
        Self { kubeconfig, state }
    }

    /// Replaces the rules; what was applied is counted anew.
    pub fn rules(&self, rules: Vec<Rule>) {
        let mut state = self.state.lock().unwrap();
        state.rules = rules;
        state.applied = 0;
    }

    /// How often a rule was applied.
    pub fn applied(&self) -> usize {
        self.state.lock().unwrap().applied
    }

    pub fn wait_applied(&self, times: usize) {
        wait_until("the rules are applied", DEADLINE * 2, || self.applied() >= times);
    }

    /// Cuts every watch that runs.
    pub fn cut_watches(&self) {
        for watch in self.state.lock().unwrap().watches.drain(..) {
            let _ = watch.shutdown(Shutdown::Both);
        }
    }
}

fn serve(
    mut stream: TcpStream,
    api: SocketAddr,
    client: &Arc<ClientConfig>,
    state: &Mutex<State>,
) -> std::io::Result<()> {
    let (line, request) = read_request(&mut stream)?;
    let action = {
        let mut state = state.lock().unwrap();
        if line.contains("watch=true") {
            state.watches.push(stream.try_clone()?);
        }
        let fits = |rule: &&mut Rule| rule.left > 0 && (rule.fits)(&line, rule.needle);
        let action = state.rules.iter_mut().find(fits).map(|rule| {
            rule.left -= 1;
            rule.action
        });
        state.applied += usize::from(action.is_some());
        action
    };
    match action {
        None => pass(stream, api, client, &request, usize::MAX),
        Some(Action::Trickle) => pass(stream, api, client, &request, 64),
        Some(action) => stream.write_all(answer(action).as_bytes()),
    }
}

/// The request line, and the whole request with its body, made to end its connection.
fn read_request(stream: &mut TcpStream) -> std::io::Result<(String, Vec<u8>)> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body)?;
    let line = head.lines().next().unwrap_or_default().to_owned();
    let mut request = head.replacen("\r\n", "\r\nConnection: close\r\n", 1).into_bytes();
    request.extend(body);
    Ok((line, request))
}

fn pass(
    mut stream: TcpStream,
    api: SocketAddr,
    client: &Arc<ClientConfig>,
    request: &[u8],
    step: usize,
) -> std::io::Result<()> {
    let name = ServerName::try_from("localhost").unwrap();
    let connection = ClientConnection::new(client.clone(), name).unwrap();
    let mut upstream = StreamOwned::new(connection, TcpStream::connect(api)?);
    upstream.write_all(request)?;
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let read = upstream.read(&mut bytes)?;
        if read == 0 {
            return Ok(());
        }
        for part in bytes[..read].chunks(step.min(read)) {
            stream.write_all(part)?;
            if step < read {
                thread::sleep(Duration::from_millis(5)); // pace: a slow API server
            }
        }
    }
}

fn answer(action: Action) -> String {
    let response = |status: u16, more: &str, body: &str| {
        format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{more}Connection: close\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    match action {
        Action::Status(code, reason) => {
            let patience = if code == 429 { "Retry-After: 1\r\n" } else { "" };
            let body = format!(
                "{{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"message\":\
                 \"by the test\",\"reason\":\"{reason}\",\"code\":{code},\"details\":\
                 {{\"retryAfterSeconds\":1}}}}"
            );
            response(code, patience, &body)
        }
        Action::GoneEvent => response(
            200,
            "",
            "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\
             \"Failure\",\"message\":\"too old resource version\",\"reason\":\"Expired\",\"code\":\
             410}}\n",
        ),
        Action::Garbage => response(200, "", "<html>502 by a middlebox</html>\n"),
        Action::EmptyList => response(200, "", "{\"metadata\":{},\"items\":[]}\n"),
        Action::HalfLine => response(200, "", "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"na"),
        Action::Trickle => unreachable!("it is passed on"),
    }
}

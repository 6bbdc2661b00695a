//! A connector whose channels are made by REST, as a process, asked for by curl.

use std::{fs, net::SocketAddr, path::PathBuf};

use serde_json::{Value, json};

use super::{Process, World, run, valid_now};

/// The account that [`Managed::set_up`] makes, with its password.
pub const ACCOUNT: &str = "admin:a long enough one";
/// The region of the subaccounts.
pub const REGION: &str = "cf.eu12.example.com";

/// A connector with a management.
pub struct Managed {
    pub process: Process,
    /// Where it is administered.
    pub admin: SocketAddr,
    /// What it shows, and is trusted by.
    pub certificate: PathBuf,
}

impl Managed {
    /// Starts it with `toml` behind what it needs, which ends in the table `admin`; the state of an
    /// earlier one in that world is taken up.
    pub fn start(world: &World, toml: &str) -> Self {
        let text = format!(
            "[management]\ndirectory = \"state\"\n[workers]\ncount = 2\nengine = \"{}\"\n\
             [admin]\nlisten = \"127.0.0.1:0\"\n{toml}",
            world.kind
        );
        let file = world.path("managed.toml");
        fs::write(&file, text).unwrap();
        let file = file.display().to_string();
        let mut process = Process::causeway(&["connector", "--config", &file]);
        let admin = process.address("admin server listens", "address");
        process.line("connector serves");
        Self { process, admin, certificate: world.path("state/ui.crt") }
    }

    /// The token of the link that is in the log.
    pub fn token(&mut self) -> String {
        let line = self.process.line("#setup=");
        let (_, token) = line.split_once("#setup=").unwrap();
        token.split([' ', '"']).next().unwrap().to_owned()
    }

    /// Makes the first account.
    pub fn set_up(&mut self) {
        let (user, password) = ACCOUNT.split_once(':').unwrap();
        let body = json!({ "token": self.token(), "user": user, "password": password });
        assert_eq!(self.ask("", "POST", "/api/v1/setup", Some(&body)), (204, String::new()));
    }

    /// Opens a session: its cookie, and the token of its page.
    pub fn log_in(&self) -> (String, String) {
        let (user, password) = ACCOUNT.split_once(':').unwrap();
        let body = json!({ "user": user, "password": password });
        let (status, text) = self.curl("", "POST", "/api/v1/session", Some(&body), &["-i"]);
        assert_eq!(status, 200, "{text}");
        let header = |name: &str| {
            let mut lines = text.lines().filter_map(|line| line.split_once(": "));
            let (_, value) = lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).unwrap();
            value.split(';').next().unwrap().trim().to_owned()
        };
        (header("set-cookie"), header("x-csrf-token"))
    }

    /// Asks by HTTPS, trusting what was made at the first start and nothing else: status and body.
    pub fn ask(&self, user: &str, method: &str, path: &str, body: Option<&Value>) -> (u16, String) {
        self.curl(user, method, path, body, &[])
    }

    /// The same with more arguments for curl.
    pub fn curl(
        &self,
        user: &str,
        method: &str,
        path: &str,
        body: Option<&Value>,
        more: &[&str],
    ) -> (u16, String) {
        let (url, body) = (format!("https://{}{path}", self.admin), body.map(Value::to_string));
        let certificate = self.certificate.display().to_string();
        let mut arguments = vec!["-sS", "-X", method, "-w", "\n%{http_code}"];
        arguments.extend(["--cacert", &certificate, &url]);
        arguments.extend(more);
        if !user.is_empty() {
            arguments.extend(["-u", user]);
        }
        if body.is_some() {
            arguments.extend(["-H", "Content-Type: application/json", "--data-binary", "@-"]);
        }
        let finished = run("curl", &arguments, body.unwrap_or_default().as_bytes());
        assert!(finished.status.success(), "{}", finished.stderr);
        let text = finished.text();
        let (text, status) = text.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), text.to_owned())
    }

    /// Asks for a change.
    pub fn change(&self, method: &str, path: &str, body: &Value) -> (u16, String) {
        self.ask(ACCOUNT, method, path, Some(body))
    }

    /// What there is at a path.
    pub fn get(&self, path: &str) -> Value {
        let (status, text) = self.ask(ACCOUNT, "GET", path, None);
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }
}

/// What makes a subaccount, with a certificate of the world's authority that nobody had before.
pub fn subaccount_body(world: &World, id: &str) -> Value {
    let issued = world.authority.issue_connector(id, None, valid_now()).unwrap();
    json!({
        "regionHost": REGION,
        "subaccount": id,
        "certificate": issued.certificate_pem,
        "privateKey": issued.private_key_pem,
        "ca": fs::read_to_string(world.path("ca.crt")).unwrap(),
    })
}

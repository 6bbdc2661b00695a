//! Asking an admin server: one connection a look, plain or TLS.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use axum::body::{Body, to_bytes};
use hyper::{
    Request, StatusCode, Uri,
    client::conn::http1::{SendRequest, handshake},
    header::{AUTHORIZATION, HOST},
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};

use super::args::TopArgs;
use crate::{config::Secret, tls::HttpsClient};

/// A whole answer; the largest is a thousand streams of a few hundred bytes.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// One look, its connection included.
pub(super) const LOOK_TIMEOUT: Duration = Duration::from_secs(5);
/// Where an admin server listens unless configured.
const PORT: u16 = 9494;

/// Where the server is and how it is asked.
pub(super) struct Client {
    /// As it was typed.
    pub(super) url: String,
    host: String,
    port: u16,
    token: Option<Secret>,
    tls: Option<HttpsClient>,
}

/// A connection to ask on.
pub(super) struct Asking<'c> {
    requests: SendRequest<Body>,
    client: &'c Client,
}

impl Client {
    /// Reads what it is given.
    pub(super) fn new(args: &TopArgs) -> Result<Self, String> {
        let url = &args.admin;
        let uri: Uri = url.parse().map_err(|error| format!("--admin {url}: {error}"))?;
        let host = uri.host().map(|host| host.trim_matches(['[', ']']).to_owned());
        let host = host.ok_or_else(|| format!("--admin {url} names no host"))?;
        let tls = match uri.scheme_str() {
            Some("http") => None,
            Some("https") => {
                let ca = args.ca.as_deref().ok_or("https needs --ca, the server's authority")?;
                let own = args.certificate.as_deref().zip(args.private_key.as_deref());
                let tls = HttpsClient::load(ca, own, SystemTime::now());
                Some(tls.map_err(|error| error.to_string())?)
            }
            _ => return Err(format!("--admin {url} begins with neither http:// nor https://")),
        };
        let token = match &args.token_file {
            None => None,
            Some(file) => {
                let text = fs::read_to_string(file);
                let text = text.map_err(|error| format!("{}: {error}", file.display()))?;
                Some(Secret::new(text.trim()))
            }
        };
        let port = uri.port_u16().unwrap_or(PORT);
        Ok(Self { url: url.clone(), host, port, token, tls })
    }

    /// Connects.
    pub(super) async fn connect(&self) -> Result<Asking<'_>, String> {
        let stream = TcpStream::connect((self.host.as_str(), self.port));
        let stream = stream.await.map_err(|error| error.to_string())?;
        let requests = match &self.tls {
            None => speak(stream).await?,
            Some(tls) => {
                let stream = tls.connect(&self.host, stream).await;
                speak(stream.map_err(|error| error.to_string())?).await?
            }
        };
        Ok(Asking { requests, client: self })
    }

    fn authority(&self) -> String {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        format!("{open}{}{close}:{}", self.host, self.port)
    }
}

async fn speak<S>(stream: S) -> Result<SendRequest<Body>, String>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (requests, connection) =
        handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    // It ends with the requests; how is told to the one under way.
    tokio::spawn(connection);
    Ok(requests)
}

impl Asking<'_> {
    /// One answer that must be there.
    pub(super) async fn get(&mut self, path: &str) -> Result<Value, String> {
        match self.try_get(path).await? {
            (StatusCode::OK, answer) => Ok(answer),
            (status, answer) => {
                let why = answer["error"].as_str().unwrap_or("no reason was given");
                Err(format!("{path} is answered {}: {why}", status.as_u16()))
            }
        }
    }

    /// One answer, whatever it is.
    pub(super) async fn try_get(&mut self, path: &str) -> Result<(StatusCode, Value), String> {
        let client = self.client;
        let mut request = Request::get(path).header(HOST, client.authority());
        if let Some(token) = &client.token {
            request = request.header(AUTHORIZATION, format!("Bearer {}", token.expose()));
        }
        let request = request.body(Body::empty()).map_err(|error| error.to_string())?;
        let ready = self.requests.ready().await;
        ready.map_err(|error| error.to_string())?;
        let answer = self.requests.send_request(request).await.map_err(|e| e.to_string())?;
        let status = answer.status();
        let body = to_bytes(Body::new(answer.into_body()), ANSWER_BYTES_MAX).await;
        let body = body.map_err(|error| format!("{path}: {error}"))?;
        let json = serde_json::from_slice(&body);
        Ok((status, json.map_err(|_| format!("{path} is not answered as an admin server does"))?))
    }
}

/// Runs a look no longer than it may take.
pub(super) async fn in_time<T>(look: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let looked = timeout(LOOK_TIMEOUT, look).await;
    looked.unwrap_or_else(|_| Err(format!("no answer within {} s", LOOK_TIMEOUT.as_secs())))
}

/// Text as a value in a query (RFC 3986 §2.3).
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

//! The admission webhook: says no to a mapping that would not be accepted, before it is stored.
//! It repeats what the status tells, so nothing depends on it, and where it does not know it
//! says yes.

use std::{
    convert::Infallible,
    io,
    net::TcpListener,
    path::PathBuf,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use axum::body::{Body, to_bytes};
use hyper::{Method, Request, Response, StatusCode, body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    sync::Semaphore,
    time::{sleep, timeout},
};

use super::{
    client::StartError,
    cluster::Cluster,
    object::{Object, Verdict},
};
use crate::{
    config::{WebhookConfig, watch::FileWatch},
    limits,
    mapping::{Mapping, annotations::is_ours, read_object},
    tls::HttpsServer,
};

/// The webhook's listener with its certificate, which follows its files.
pub(super) struct Webhook {
    listener: TcpListener,
    server: Arc<Mutex<HttpsServer>>,
    /// Ends with the webhook.
    _watch: FileWatch,
}

/// Listens, so that a port or certificate that cannot be had is an error at the start.
pub(super) fn listen(config: &WebhookConfig) -> Result<Webhook, StartError> {
    let wrong = |error: &dyn std::fmt::Display| StartError::Webhook(error.to_string());
    let load = loader(config.certificate.clone(), config.private_key.clone());
    let server = Arc::new(Mutex::new(load().map_err(|error| wrong(&error))?));
    let listener = TcpListener::bind(config.listen)
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
        .map_err(|error| wrong(&format!("cannot listen on {}: {error}", config.listen)))?;
    let paths = vec![config.certificate.clone(), config.private_key.clone()];
    let current = server.clone();
    let watch = FileWatch::spawn(paths, move || match load() {
        Ok(server) => {
            *current.lock().unwrap_or_else(PoisonError::into_inner) = server;
            tracing::info!(target: "causeway::kubernetes", "the webhook's certificate changed");
        }
        Err(error) => tracing::error!(
            target: "causeway::kubernetes", %error, "keeping the webhook's certificate in use"
        ),
    })?;
    let address = listener.local_addr()?;
    tracing::info!(target: "causeway::kubernetes", %address, "admission webhook listens");
    Ok(Webhook { listener, server, _watch: watch })
}

fn loader(
    certificate: PathBuf,
    private_key: PathBuf,
) -> impl Fn() -> Result<HttpsServer, crate::tls::MaterialError> {
    move || {
        let (server, facts) =
            HttpsServer::load(&certificate, &private_key, None, SystemTime::now())?;
        for warning in &facts.warnings {
            tracing::warn!(target: "causeway::kubernetes", "the webhook's {warning}");
        }
        Ok(server)
    }
}

/// Answers until the thread ends.
pub(super) async fn serve(cluster: Rc<Cluster>, webhook: Webhook) {
    let listener = match tokio::net::TcpListener::from_std(webhook.listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(target: "causeway::kubernetes", %error, "no admission webhook");
            return;
        }
    };
    let places = Arc::new(Semaphore::new(limits::WEBHOOK_CONNECTIONS_MAX));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let server = webhook.server.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let cluster = cluster.clone();
                tokio::task::spawn_local(async move {
                    // What goes wrong is the client's: it left, or was no API server.
                    let _ = converse(cluster, stream, server).await;
                    drop(place);
                });
            }
            // Out of descriptors, most likely; trying at once would only spin.
            Err(error) => {
                tracing::warn!(target: "causeway::kubernetes", %error, "the webhook cannot accept");
                sleep(limits::KUBERNETES_BACKOFF_MIN).await;
            }
        }
    }
}

/// One connection, which the API server keeps for its next question.
async fn converse(cluster: Rc<Cluster>, stream: TcpStream, server: HttpsServer) -> io::Result<()> {
    let stream = timeout(limits::WEBHOOK_TIMEOUT, server.accept(stream)).await??;
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits::ADMIN_HEAD_TIMEOUT)
        .serve_connection(
            TokioIo::new(stream),
            service_fn(move |request| answer(cluster.clone(), request)),
        );
    timeout(limits::ADMIN_CONNECTION_AGE_MAX, connection).await?.map_err(io::Error::other)
}

async fn answer(
    cluster: Rc<Cluster>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let reply = |status: StatusCode, body: Value| {
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = status;
        let json = hyper::header::HeaderValue::from_static("application/json");
        response.headers_mut().insert(hyper::header::CONTENT_TYPE, json);
        Ok(response)
    };
    if (request.method(), request.uri().path()) != (&Method::POST, "/validate") {
        let body = json!({ "error": "only POST /validate is served here" });
        return reply(StatusCode::NOT_FOUND, body);
    }
    let body = Body::new(request.into_body());
    let read = timeout(limits::WEBHOOK_TIMEOUT, to_bytes(body, limits::WEBHOOK_BODY_BYTES_MAX));
    let review = match read.await {
        Ok(Ok(bytes)) => serde_json::from_slice::<Value>(&bytes).ok(),
        _ => None,
    };
    match review.as_ref().and_then(|review| review.get("request")) {
        Some(asked) => reply(StatusCode::OK, review_of(&cluster, asked)),
        None => reply(StatusCode::BAD_REQUEST, json!({ "error": "this is no AdmissionReview" })),
    }
}

fn review_of(cluster: &Cluster, asked: &Value) -> Value {
    let objects = cluster.objects.borrow();
    let mut response = json!({ "uid": asked["uid"], "allowed": true });
    if let Err(why) = judge(objects.values(), asked, &cluster.settings.tenancy) {
        response["allowed"] = false.into();
        response["status"] = json!({ "code": 422, "reason": "Invalid", "message": why });
    }
    json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response })
}

/// Those annotations that are part of the mapping.
fn ours(annotations: &Value) -> Vec<(&String, &Value)> {
    let all = annotations.as_object().into_iter().flatten();
    all.filter(|(name, _)| is_ours(name)).collect()
}

/// Whether what is asked for would be accepted.
fn judge<'a>(
    objects: impl Iterator<Item = &'a Object>,
    asked: &Value,
    tenancy: &crate::mapping::Tenancy,
) -> Result<(), String> {
    let spec = &asked["object"]["spec"];
    let annotations = &asked["object"]["metadata"]["annotations"];
    let old = &asked["oldObject"];
    let is_as_before =
        *spec == old["spec"] && ours(annotations) == ours(&old["metadata"]["annotations"]);
    // Who takes a finalizer off a faulty mapping must not be stopped by its fault.
    if asked["operation"] == "DELETE" || (!spec.is_null() && is_as_before) {
        return Ok(());
    }
    // One that is to be given a name by the API has none yet.
    let name = asked["object"]["metadata"]["name"].as_str().unwrap_or("new");
    let mapping = read_object(name, annotations, spec, tenancy).map_err(|problems| {
        let words = problems.iter().map(|problem| match &problem.field {
            Some(field) => format!("{field}: {}", problem.message),
            None => problem.message.clone(),
        });
        words.collect::<Vec<_>>().join("; ")
    })?;
    let claim = |m: &Mapping| (m.service_type, m.subaccount.clone(), m.service.clone());
    let holds = |object: &&Object| {
        object.name != name
            && object.verdict == Some(Verdict::Accepted)
            && object.finding.as_ref().is_ok_and(|held| claim(held) == claim(&mapping))
    };
    let mut objects = objects;
    match objects.find(holds) {
        None => Ok(()),
        Some(holder) => Err(format!(
            "the {} service `{}` of subaccount `{}` is already mapped by `{}`; choose another \
             serviceId, or delete that one first",
            mapping.service_type, mapping.service, mapping.subaccount, holder.name
        )),
    }
}

//! Why would this CONNECT be refused, or where would it go? Answered on a worker, by the functions
//! that judge and dial the real one.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use crossbeam_channel::Sender;

use super::{
    authorise::{Caller, service_type, would_admit},
    request::judge_caller,
    role::ProxyRole,
    visit::Visit,
};
use crate::{
    mapping::Mapping,
    protocol::{
        ConnectRequest, Question, Refusal, Request,
        http1::{self, Parsed},
    },
    relay::Live,
    tls::Identity,
    worker::Worker,
};

/// What would happen.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What the caller would be told, if not yes.
    pub refusal: Option<Refusal>,
    /// The subaccount's mapping of the service, whether the caller may use it or not.
    pub mapping: Option<Arc<Mapping>>,
    /// The address that accepted the connection, where it was dialled.
    pub dialled: Option<SocketAddr>,
    /// How long that took.
    pub dial_time: Option<Duration>,
}

impl Finding {
    fn refused(refusal: Refusal) -> Self {
        Self { refusal: Some(refusal), mapping: None, dialled: None, dial_time: None }
    }
}

/// Answers on this worker; a dial goes on in the background and answers when it is over.
pub(super) fn explain(
    role: &Rc<ProxyRole>,
    worker: &Rc<Worker>,
    question: &Question,
    answer: Sender<Finding>,
) {
    let (request, identity) = match understand(role, worker, question) {
        Ok(understood) => understood,
        Err(refusal) => return drop(answer.send(Finding::refused(refusal))),
    };
    let mapping = mapping_of(role, &request, &identity);
    if question.dial {
        let (role, worker) = (role.clone(), worker.clone());
        let peer = peer_of(question);
        tokio::task::spawn_local(async move {
            let finding = dial((role, worker), peer, &request, &identity).await;
            // Whoever asked may not wait any more.
            let _ = answer.send(Finding { mapping, ..finding });
        });
        return;
    }
    let caller = Caller { identity: &identity, source: peer_of(question).ip() };
    let refusal = would_admit(role, &worker.shard, caller, &request).err().or_else(|| {
        // Where the dial would begin.
        worker.shard.dial_permit().is_none().then_some(Refusal::Overloaded("dials"))
    });
    let _ = answer.send(Finding { refusal, mapping, dialled: None, dial_time: None });
}

/// What is judged before it is looked at what the caller wants, in the order of the real path.
fn understand(
    role: &ProxyRole,
    worker: &Worker,
    question: &Question,
) -> Result<(ConnectRequest, Identity), Refusal> {
    worker.shard.check_room().map_err(Refusal::Overloaded)?;
    let settings = role.settings();
    let right_name = settings.server_names.first().map(String::as_str);
    let identity = judge_caller(&settings, question.server_name.as_deref().or(right_name), || {
        let subaccount = question.subaccount.clone()?;
        Some(Identity::of(subaccount, question.certificate_location.clone()))
    })?;
    if question.new_tunnel {
        let window = role.budgets.borrow_mut().lend(&identity.subaccount);
        let usage = role.usage_of(&identity.subaccount);
        if window.is_none() || usage.is_some_and(|usage| !usage.could_tunnel()) {
            return Err(Refusal::TenantLimit("tunnels"));
        }
    }
    let request = match http1::parse_request(&question.head())? {
        Parsed::Done { value: Request::Connect(request), .. } => request,
        Parsed::Done { value: Request::Healthcheck, .. } => return Err(Refusal::NotConnect),
        Parsed::NeedMore => return Err(Refusal::Malformed("the request has no end")),
    };
    if worker.is_draining() {
        return Err(Refusal::Draining);
    }
    Ok((request, identity))
}

/// Where the tunnel would come from: nowhere that any list of addresses allows, unless it is said.
fn peer_of(question: &Question) -> SocketAddr {
    let nowhere = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    SocketAddr::new(question.peer.unwrap_or(nowhere), 0)
}

fn mapping_of(
    role: &ProxyRole,
    request: &ConnectRequest,
    identity: &Identity,
) -> Option<Arc<Mapping>> {
    let table = role.table.borrow();
    table.find(service_type(request), &identity.subaccount, &request.target.service).cloned()
}

/// Does all a stream does up to its 200: it takes a session, a place among the subaccount's
/// streams and one among its dials, and gives them back at once.
async fn dial(
    (role, worker): (Rc<ProxyRole>, Rc<Worker>),
    peer: SocketAddr,
    request: &ConnectRequest,
    identity: &Identity,
) -> Finding {
    let shard = worker.shard.clone();
    let live = Rc::new(Live::new(role.settings().timeouts, Instant::now()));
    live.enter(crate::tunnel::Phase::Dialling, Instant::now());
    let key = match shard.admit(&live) {
        Ok(key) => key,
        Err(what) => return Finding::refused(Refusal::Overloaded(what)),
    };
    let tunnel = shard.name_tunnel();
    let visit = Visit { worker, role, shard: shard.clone(), live, carrier: None, peer, tunnel };
    let started = Instant::now();
    let dialled = Box::pin(visit.dial(request, identity)).await;
    shard.dismiss(key);
    let dial_time = Some(started.elapsed());
    match dialled {
        Ok(dialled) => {
            Finding { refusal: None, mapping: None, dialled: Some(dialled.target()), dial_time }
        }
        // Ended from outside: by a drain, a changed mapping or an operator.
        Err(None) => Finding::refused(Refusal::Draining),
        Err(Some(refusal)) => Finding { dial_time, ..Finding::refused(refusal) },
    }
}

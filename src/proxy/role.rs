//! What a worker does on a proxy: serve accepted tunnels, and take new mappings and certificates.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use crossbeam_channel::Sender;

use super::{
    authorise::still_allowed,
    budgets::Budgets,
    doorkeeper::{Doorkeeper, OFFENDER_RATE},
    explain::{Finding, explain},
    session,
};
use crate::{
    mapping::{MappingTable, TenantUsage},
    protocol::Question,
    telemetry::{Count, Repeats, Verdict},
    tls::{CertificateFault, ServerTls, TlsError},
    tunnel::{Ending, Phase, Timeouts},
    worker::{Accepted, Role, Worker},
};

/// What control threads tell a proxy's workers.
pub enum ProxyMessage {
    /// New mappings; streams that they no longer allow end.
    Mappings(Arc<MappingTable>),
    /// New certificates; streams whose client certificate is now revoked end, others go on.
    /// Connections that carry no stream yet end if they would not be let in any more.
    Tls(ServerTls),
    /// Other settings, for what comes from now on.
    Settings(Box<Settings>),
    /// What would happen to a CONNECT?
    Explain(Box<Question>, Sender<Finding>),
}

/// What every session of a proxy needs to know of its configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Names a client may ask for by SNI; empty when the check is off.
    pub(super) server_names: Vec<String>,
    /// Where the listener is; unspecified when everywhere.
    pub(super) listen: IpAddr,
    pub(super) timeouts: Timeouts,
    pub(super) dial_timeout: Duration,
    pub(super) streams_per_tunnel_max: u32,
    pub(super) strangers_per_second: u32,
    pub(super) offenders_per_second: u32,
    /// What traffic may make each worker hold.
    pub(super) memory_bytes_max: Option<usize>,
}

/// A proxy's part of one worker.
pub(super) struct ProxyRole {
    pub(super) settings: RefCell<Rc<Settings>>,
    pub(super) tls: RefCell<ServerTls>,
    /// Counts changes of `tls`: a handshake that began before one is judged again at its end.
    pub(super) tls_era: Cell<u64>,
    pub(super) table: RefCell<Arc<MappingTable>>,
    pub(super) repeats: RefCell<Repeats>,
    pub(super) budgets: RefCell<Budgets>,
    pub(super) doorkeeper: RefCell<Doorkeeper>,
}

impl Role for ProxyRole {
    type Message = ProxyMessage;

    fn accepted(self: &Rc<Self>, worker: &Rc<Worker>, accepted: Accepted) {
        let peer = accepted.peer;
        let admitted = self.doorkeeper.borrow_mut().admits(peer.ip(), Instant::now());
        match admitted {
            Ok(turn) => {
                let serving = session::serve(worker.clone(), self.clone(), accepted, turn);
                tokio::task::spawn_local(serving);
            }
            // Closing before the handshake is the cheapest answer there is.
            Err(reason) => self.turn_away(worker, peer, reason),
        }
    }

    fn message(self: &Rc<Self>, worker: &Rc<Worker>, message: ProxyMessage) {
        match message {
            ProxyMessage::Mappings(table) => {
                *self.table.borrow_mut() = table.clone();
                worker.shard.each_session(|live| {
                    if live.with_grant(|grant| still_allowed(&table, grant)) == Some(false) {
                        live.kill(Ending::MappingRemoved);
                    }
                });
            }
            ProxyMessage::Tls(tls) => {
                *self.tls.borrow_mut() = tls.clone();
                self.tls_era.set(self.tls_era.get() + 1);
                end_unwelcome(worker, &tls);
            }
            ProxyMessage::Settings(settings) => self.change_settings(worker, *settings),
            ProxyMessage::Explain(question, answer) => explain(self, worker, &question, answer),
        }
    }

    fn tick(self: &Rc<Self>, _worker: &Rc<Worker>, now: Instant) {
        for (kind, suppressed) in self.repeats.borrow_mut().finished(now) {
            tracing::warn!(target: "causeway::refused", kind, suppressed, "lines were left out");
        }
    }
}

impl ProxyRole {
    /// What holds now. Whoever needs several parts of it asks once.
    pub(super) fn settings(&self) -> Rc<Settings> {
        self.settings.borrow().clone()
    }

    /// What a subaccount uses, if any mapping names it.
    pub(super) fn usage_of(&self, subaccount: &str) -> Option<Arc<TenantUsage>> {
        self.table.borrow().usage(subaccount).cloned()
    }

    fn change_settings(&self, worker: &Worker, settings: Settings) {
        let rates = |of: &Settings| (of.strangers_per_second, of.offenders_per_second);
        if rates(&settings) != rates(&self.settings()) {
            // What is known of addresses was counted by the old rates; they begin anew.
            let (strangers, offenders) = rates(&settings);
            *self.doorkeeper.borrow_mut() = Doorkeeper::new(strangers, offenders, Instant::now());
        }
        worker.shard.set_memory(settings.memory_bytes_max);
        *self.settings.borrow_mut() = Rc::new(settings);
    }

    fn turn_away(&self, worker: &Worker, peer: SocketAddr, reason: &'static str) {
        worker.shard.count(Count::Refused(reason));
        let advice = match reason {
            OFFENDER_RATE => {
                "a tunnel from this address ended by its peer's fault, and too many more wait; \
                 see limits.offender_handshakes_per_second"
            }
            _ => "too many strangers from this address; see limits.handshakes_per_second_max",
        };
        match self.repeats.borrow_mut().judge(reason, Instant::now()) {
            Verdict::Suppress => worker.shard.count(Count::LogLinesSuppressed),
            Verdict::Write { suppressed } => tracing::warn!(
                target: "causeway::refused", %peer, suppressed, reason, "{advice}"
            ),
        }
    }
}

/// Ends sessions whose client certificate has been revoked. A certificate of a CA that was merely
/// replaced goes on until its streams end: rotating a CA must not cut streams. But it opens no new
/// one: its connections that wait for a request end, its tunnels of many streams are drained.
fn end_unwelcome(worker: &Worker, tls: &ServerTls) {
    // Thousands of tunnels share a few certificates, and a verification costs 0.1 ms.
    let mut verdicts: HashMap<Vec<u8>, Option<TlsError>> = HashMap::new();
    let now = SystemTime::now();
    worker.shard.each_session(|live| {
        let verdict = live.with_link(|link| {
            link.with_session(|session| {
                let chain = session.peer_certificates()?;
                let leaf = chain.first()?.to_vec();
                let judge = || tls.verify_client(chain, now).err();
                verdicts.entry(leaf).or_insert_with(judge).clone()
            })
        });
        let Some(error) = verdict.flatten() else {
            return;
        };
        let revoked = error == TlsError::Certificate(CertificateFault::Revoked);
        match live.phase() {
            Phase::Waiting | Phase::Head => live.kill(Ending::CertificateRevoked),
            _ if revoked => live.kill(Ending::CertificateRevoked),
            Phase::Carrying => live.drain(),
            _ => {}
        }
    });
}

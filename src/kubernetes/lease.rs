//! One replica leads: it holds a Lease, taken and renewed by compare-and-swap on the version of
//! the object. Whether somebody else's Lease has run out is judged by our own clock, from when we
//! last saw it change, so that clocks need not agree.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
    jiff::Timestamp,
};
use kube::{
    Api,
    api::{ObjectMeta, PostParams},
};
use tokio::time::{sleep, timeout};

use super::{
    cluster::Cluster,
    health::LEASE,
    refused::{Attempt, Refused},
};
use crate::limits;

/// Takes and renews the Lease until the thread ends.
pub(super) async fn hold(cluster: Rc<Cluster>) {
    let mut seat = Seat::new(&cluster);
    while !cluster.resigning.get() {
        let outcome = seat.round(&cluster).await;
        if cluster.resigning.get() {
            return;
        }
        match outcome {
            Ok(leads) => {
                cluster.note(LEASE, None);
                set_leads(&cluster, leads);
            }
            Err(refused) => {
                cluster.note(LEASE, Some(&refused.message));
                if seat.lost(Instant::now()) {
                    set_leads(&cluster, false);
                }
            }
        }
        sleep(limits::LEASE_RETRY.mul_f64(0.8 + fastrand::f64() * 0.4)).await;
    }
}

/// Gives the Lease back and never takes it again.
pub(super) async fn resign(cluster: &Cluster) {
    cluster.resigning.set(true);
    if !cluster.leads.get() {
        return;
    }
    set_leads(cluster, false);
    let api = leases(cluster);
    let give_back = async {
        let mut lease = api.get(&cluster.settings.config.lease_name).await?;
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() == Some(&cluster.identity) {
            spec.holder_identity = None;
            spec.renew_time = Some(MicroTime(Timestamp::now()));
            api.replace(&cluster.settings.config.lease_name, &PostParams::default(), &lease)
                .await?;
        }
        Ok::<(), kube::Error>(())
    };
    match timeout(limits::LEASE_RETRY, give_back).await {
        Ok(Ok(())) => tracing::info!(target: "causeway::kubernetes", "the lease is given back"),
        // It runs out by itself.
        Ok(Err(error)) => {
            tracing::warn!(target: "causeway::kubernetes", %error, "the lease was not given back");
        }
        Err(_) => {
            tracing::warn!(target: "causeway::kubernetes", "the lease was not given back in time");
        }
    }
}

fn set_leads(cluster: &Cluster, leads: bool) {
    if cluster.leads.replace(leads) == leads {
        return;
    }
    let held = cluster.settings.config.lease_name.as_str();
    if leads {
        cluster.health.led_by(Some(&cluster.identity), true);
        tracing::info!(target: "causeway::kubernetes", lease = held, "this replica leads");
        let names: Vec<String> = cluster.objects.borrow().keys().cloned().collect();
        cluster.urgent.borrow_mut().extend(names);
    } else {
        cluster.health.led_by(None, false);
        tracing::info!(target: "causeway::kubernetes", lease = held, "this replica leads no more");
        cluster.urgent.borrow_mut().clear();
        cluster.later.borrow_mut().clear();
    }
    cluster.to_write.notify_one();
    cluster.to_dial.notify_one();
}

fn leases(cluster: &Cluster) -> Api<Lease> {
    Api::namespaced(cluster.client.clone(), &cluster.namespace)
}

/// What we know of the Lease.
struct Seat {
    api: Api<Lease>,
    name: String,
    /// As the API last gave it to us, if we held it then.
    held: Option<Lease>,
    /// When we last renewed it.
    renewed: Option<Instant>,
    /// Somebody else's version of it, and since when we see that.
    observed: Option<(String, Instant)>,
}

impl Seat {
    fn new(cluster: &Cluster) -> Self {
        let name = cluster.settings.config.lease_name.clone();
        Self { api: leases(cluster), name, held: None, renewed: None, observed: None }
    }

    /// Whether a Lease that could not be renewed must count as lost.
    fn lost(&self, now: Instant) -> bool {
        let renewed = self.renewed;
        renewed.is_none_or(|at| now.duration_since(at) >= limits::LEASE_RENEW_DEADLINE)
    }

    /// One look at the Lease, and one change at most. Says whether we hold it.
    async fn round(&mut self, cluster: &Cluster) -> Result<bool, Refused> {
        let lease = match self.held.take() {
            Some(held) => held,
            None => match self.get().await? {
                Some(lease) => lease,
                None => return self.create(cluster).await,
            },
        };
        let now = Instant::now();
        let spec = lease.spec.clone().unwrap_or_default();
        let ours = spec.holder_identity.as_deref() == Some(&cluster.identity);
        if !ours && !self.has_run_out(&lease, &spec, now) {
            cluster.health.led_by(spec.holder_identity.as_deref(), false);
            return Ok(false);
        }
        self.swap(cluster, lease, ours, now).await
    }

    /// Whether nobody holds it, or its holder has not been heard of for as long as it holds.
    fn has_run_out(&mut self, lease: &Lease, spec: &LeaseSpec, now: Instant) -> bool {
        if spec.holder_identity.as_deref().unwrap_or_default().is_empty() {
            return true;
        }
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        let holds = u64::try_from(spec.lease_duration_seconds.unwrap_or(0)).unwrap_or(0);
        let holds = Duration::from_secs(holds).min(limits::LEASE_DURATION * 4);
        match &self.observed {
            Some((seen, since)) if *seen == version => now.duration_since(*since) >= holds,
            _ => {
                self.observed = Some((version, now));
                false
            }
        }
    }

    async fn get(&self) -> Result<Option<Lease>, Refused> {
        let attempt = attempt("get");
        self.ask(attempt, self.api.get_opt(&self.name)).await
    }

    async fn create(&mut self, cluster: &Cluster) -> Result<bool, Refused> {
        let lease = Lease {
            metadata: ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() },
            spec: Some(renewed(LeaseSpec::default(), cluster, false)),
        };
        let begun = Instant::now();
        let params = PostParams::default();
        let creation = self.api.create(&params, &lease);
        let made = self.ask(attempt("create"), creation).await;
        self.outcome(made, begun)
    }

    async fn swap(
        &mut self,
        cluster: &Cluster,
        mut lease: Lease,
        ours: bool,
        begun: Instant,
    ) -> Result<bool, Refused> {
        lease.spec = Some(renewed(lease.spec.unwrap_or_default(), cluster, ours));
        lease.metadata.managed_fields = None;
        let params = PostParams::default();
        let replacing = self.api.replace(&self.name, &params, &lease);
        let swapped = self.ask(attempt("update"), replacing).await;
        self.outcome(swapped, begun)
    }

    /// A lost race is no failure: somebody else leads, and we will see who.
    fn outcome(
        &mut self,
        outcome: Result<Lease, Refused>,
        begun: Instant,
    ) -> Result<bool, Refused> {
        match outcome {
            Ok(lease) => {
                self.held = Some(lease);
                self.renewed = Some(begun);
                Ok(true)
            }
            Err(refused) if refused.code == Some(409) => {
                // Unless it is a late answer to a renewal of our own, which a look will tell.
                Ok(!self.lost(Instant::now()))
            }
            Err(refused) => Err(refused),
        }
    }

    /// Asks, but not for longer than what we hold is surely ours.
    async fn ask<T>(
        &self,
        attempt: Attempt,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, Refused> {
        let left = self.renewed.map(|at| limits::LEASE_RENEW_DEADLINE.saturating_sub(at.elapsed()));
        let left = left.filter(|left| !left.is_zero());
        let most = limits::KUBERNETES_CONNECT_TIMEOUT.min(left.unwrap_or(Duration::MAX));
        match timeout(most, request).await {
            Ok(answer) => answer.map_err(|error| Refused::of(attempt, &error)),
            Err(_) => Err(Refused::without_answer(attempt, "no answer in time".to_owned())),
        }
    }
}

fn attempt(verb: &'static str) -> Attempt {
    Attempt { verb, resource: "leases", group: "coordination.k8s.io" }
}

/// The Lease as it is while we hold it.
fn renewed(before: LeaseSpec, cluster: &Cluster, ours: bool) -> LeaseSpec {
    let now = Some(MicroTime(Timestamp::now()));
    let transitions = before.lease_transitions.unwrap_or(0);
    let first = before.holder_identity.is_none() && before.renew_time.is_none();
    LeaseSpec {
        acquire_time: if ours { before.acquire_time.clone() } else { now.clone() },
        holder_identity: Some(cluster.identity.clone()),
        lease_duration_seconds: i32::try_from(limits::LEASE_DURATION.as_secs()).ok(),
        lease_transitions: Some(transitions + i32::from(!ours && !first)),
        renew_time: now,
        ..before
    }
}

//! The leader dials what mappings point to, now and then, so that their status tells whether the
//! service answers. Nothing is sent.

use std::{
    io,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::{
    net::{TcpStream, lookup_host},
    time::{sleep, timeout},
};

use super::{
    cluster::Cluster,
    object::{Object, Verdict},
};
use crate::{limits, mapping::Address};

/// Dials until the thread ends.
pub(super) async fn dial(cluster: Rc<Cluster>) {
    loop {
        let next = if cluster.leads.get() { begin_due(&cluster) } else { None };
        let woken = cluster.to_dial.notified();
        match next {
            Some(wait) => drop(timeout(wait, woken).await),
            None => woken.await,
        }
        // Many changes in a row are looked at together.
        sleep(limits::KUBERNETES_PUBLISH_GAP).await;
    }
}

/// Begins the dials that are due, as many as may be; returns when the next is.
fn begin_due(cluster: &Rc<Cluster>) -> Option<Duration> {
    let now = Instant::now();
    let mut objects = cluster.objects.borrow_mut();
    let mut under_way = objects.values().filter(|object| object.reach.under_way).count();
    let mut next: Option<Duration> = None;
    for object in objects.values_mut() {
        if object.verdict != Some(Verdict::Accepted) || object.reach.under_way {
            continue;
        }
        let wait =
            object.reach.due.map_or(Duration::ZERO, |due| due.saturating_duration_since(now));
        if !wait.is_zero() {
            next = Some(next.map_or(wait, |next| next.min(wait)));
        } else if under_way < limits::REACH_DIALS_MAX {
            under_way += 1;
            begin(cluster, object);
        }
        // Beyond that the end of a dial wakes us.
    }
    next
}

fn begin(cluster: &Rc<Cluster>, object: &mut Object) {
    let Ok(mapping) = &object.finding else { return };
    object.reach.under_way = true;
    let (cluster, name, uid) = (cluster.clone(), object.name.clone(), object.uid.clone());
    let mapping = mapping.clone();
    tokio::task::spawn_local(async move {
        let outcome = try_address(&mapping.address).await;
        let mut objects = cluster.objects.borrow_mut();
        if let Some(object) = objects.get_mut(&name)
            && object.uid == uid
            && object.finding.as_ref().is_ok_and(|now| now.address == mapping.address)
        {
            let reach = &mut object.reach;
            // Spread, so that the services of one cluster are not all dialled in one second.
            let interval = limits::REACH_INTERVAL.mul_f64(0.8 + fastrand::f64() * 0.4);
            reach.due = Some(Instant::now() + interval);
            reach.under_way = false;
            let changed = reach.last.as_ref() != Some(&outcome);
            let first = reach.last.replace(outcome).is_none();
            match (changed, first) {
                (true, true) => cluster.look_at_status(&name),
                (true, false) => cluster.look_at_status_later(&name),
                (false, _) => {}
            }
        }
        drop(objects);
        cluster.to_dial.notify_one();
    });
}

async fn try_address(address: &Address) -> Result<(), String> {
    match timeout(limits::REACH_TIMEOUT, connect(address)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(format!("no answer within {} s", limits::REACH_TIMEOUT.as_secs())),
    }
}

async fn connect(address: &Address) -> Result<(), String> {
    let found = lookup_host((address.host.as_str(), address.port)).await;
    let found = found.map_err(|error| format!("its name cannot be resolved: {error}"))?;
    let mut last = "its name has no address".to_owned();
    for address in found.take(limits::DIAL_ADDRESSES_MAX) {
        match TcpStream::connect(address).await {
            Ok(_) => return Ok(()),
            Err(error) => last = words(&error),
        }
    }
    Err(last)
}

/// Without the number, and the same words for the same failure.
fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "nothing listens there (connection refused)".to_owned(),
        _ => error.to_string(),
    }
}

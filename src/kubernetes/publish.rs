//! Judges the objects after a change and hands the mappings in force to the proxy.

use std::{rc::Rc, sync::Arc};

use tokio::time::sleep;

use super::{
    cluster::Cluster,
    judge::judge,
    object::{Object, Verdict},
};
use crate::{
    limits,
    mapping::{Mapping, Snapshot},
};

/// Publishes until the thread ends: at once after a change, then no sooner than a gap later.
pub(super) async fn publish(cluster: Rc<Cluster>) {
    loop {
        cluster.changed.notified().await;
        // Nothing is taken out of force because a list is still on its way.
        if !cluster.listed.get() {
            continue;
        }
        (cluster.settings.publish)(snapshot(&cluster));
        cluster.health.synced();
        cluster.to_dial.notify_one();
        sleep(limits::KUBERNETES_PUBLISH_GAP).await;
    }
}

fn snapshot(cluster: &Cluster) -> Snapshot {
    let mut objects = cluster.objects.borrow_mut();
    let (mut verdicts, mappings): (_, Vec<Arc<Mapping>>) = judge(objects.values());
    let mut problems = Vec::new();
    for (name, object) in objects.iter_mut() {
        let verdict = verdicts.remove(name);
        problems.extend(verdict.as_ref().and_then(|verdict| problem(object, verdict)));
        if object.verdict != verdict {
            object.verdict = verdict;
            cluster.look_at_status(name);
        }
    }
    Snapshot { mappings, problems }
}

fn problem(object: &Object, verdict: &Verdict) -> Option<String> {
    let name = &object.name;
    match (verdict, &object.finding) {
        (_, Err(fault)) => Some(format!("servicemapping/{name}: {}", fault.message)),
        (Verdict::Conflict(winner), Ok(_)) => {
            Some(format!("servicemapping/{name}: its service is mapped by `{winner}`, the older"))
        }
        _ => None,
    }
}

//! What is wrong now: channels that do not run, certificates that end, a disk that is full.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError},
    time::{Duration, SystemTime},
};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    certificates::{Shown, Standing},
    desk::{Desk, apart, ms},
    known::Known,
    monitoring::FORM,
};
use crate::{
    limits::{DISK_FREE_BYTES_MIN, EXPIRY_WARNING},
    management::{
        ChannelReport, Failure,
        accounts::{Caller, Permission},
        machine::Disk,
        store::Channel,
    },
};

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Alert {
    kind: &'static str,
    /// With what.
    entity: String,
    message: String,
    /// Since when, where that is known of itself; in milliseconds since 1970.
    since: Option<i64>,
}

/// Since when each is known, by type and entity: a list of what is wrong would else tell the moment
/// at which it is asked for. Holds what is wrong now and no more.
pub(super) type Since = BTreeMap<(&'static str, String), i64>;

pub(super) async fn alerts(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
) -> Result<Response, Failure> {
    caller.must(Permission::SeeMonitoring)?;
    let shown = apart(&desk, |desk| desk.alerts(SystemTime::now())).await?;
    Ok(Json(json!({ "alerts": shown, "version": FORM })).into_response())
}

impl Desk {
    /// All, newest first.
    fn alerts(&self, now: SystemTime) -> Result<Vec<Value>, Failure> {
        let all = self.all()?;
        let mut found = of_channels(&all, |id| self.carrier.channel(id));
        found.extend(of_certificates(&self.certificates(&all), now));
        // A disk that tells nothing is told of where it is asked for.
        let directory = self.directory().display().to_string();
        found.extend(self.disk().ok().and_then(|disk| of_disk(&directory, disk)));
        let mut since = self.alerts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut timed = timed(found, &mut since, ms(now));
        timed.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        Ok(timed.iter().map(|(at, alert)| shown(*at, alert)).collect())
    }
}

fn shown(at: i64, alert: &Alert) -> Value {
    json!({
        "timestamp": at,
        "status": "active",
        "type": alert.kind,
        "origin": "Master",
        "message": alert.message,
        "entity": alert.entity,
    })
}

/// Each with its time; what is not wrong any more is forgotten.
fn timed(found: Vec<Alert>, since: &mut Since, now: i64) -> Vec<(i64, Alert)> {
    let before = std::mem::take(since);
    let time = |alert: Alert| {
        let key = (alert.kind, alert.entity.clone());
        let at = alert.since.or_else(|| before.get(&key).copied()).unwrap_or(now);
        since.insert(key, at);
        (at, alert)
    };
    found.into_iter().map(time).collect()
}

fn of_channels(all: &[Known], report: impl Fn(i64) -> Option<ChannelReport>) -> Vec<Alert> {
    let connected = all.iter().filter(|known| known.subaccount.connected);
    let enabled = connected.flat_map(|known| &known.channels).filter(|channel| channel.enabled);
    let alert = |channel: &Channel| {
        let problem = report(channel.id)?.problem?;
        let Channel { id, owner, made, .. } = channel;
        Some(Alert {
            kind: "ServiceChannel",
            entity: format!("channel {id} of {owner}"),
            message: format!("port {}: {problem}", made.port),
            since: None,
        })
    };
    enabled.filter_map(alert).collect()
}

fn of_certificates(all: &[Shown], now: SystemTime) -> Vec<Alert> {
    let alert = |(owner, leaf): &Shown| {
        let end = leaf.not_after?;
        let days = |time: Duration| time.as_secs() / (24 * 3600);
        let (since, when) = match Standing::of(leaf, now) {
            Standing::Ok => return None,
            Standing::Expiring => {
                let left = end.duration_since(now).unwrap_or_default();
                (end - EXPIRY_WARNING, format!("ends in {} days", days(left)))
            }
            Standing::Expired => {
                let past = now.duration_since(end).unwrap_or_default();
                (end, format!("ended {} days ago", days(past)))
            }
        };
        let (kind, entity, message) = match owner {
            None => ("UICertificate", "UI".to_owned(), format!("the page's certificate {when}")),
            Some(owner) => (
                "SubaccountCertificate",
                owner.to_string(),
                format!("the certificate of subaccount {owner} {when}"),
            ),
        };
        Some(Alert { kind, entity, message, since: Some(ms(since)) })
    };
    all.iter().filter_map(alert).collect()
}

fn of_disk(directory: &str, disk: Disk) -> Option<Alert> {
    let mib = disk.free / (1024 * 1024);
    (disk.free < DISK_FREE_BYTES_MIN).then(|| Alert {
        kind: "Disk",
        entity: directory.to_owned(),
        message: format!("the disk of {directory} has {mib} MB left"),
        since: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert(entity: &str, since: Option<i64>) -> Alert {
        Alert { kind: "Disk", entity: entity.to_owned(), message: String::new(), since }
    }

    #[test]
    fn what_stays_wrong_keeps_its_time_and_what_is_wrong_again_has_a_new_one() {
        let mut since = Since::new();
        let mut times = |found: Vec<Alert>, now| -> Vec<i64> {
            timed(found, &mut since, now).iter().map(|(at, _)| *at).collect()
        };
        assert_eq!(times(vec![alert("a", None), alert("b", Some(7))], 10), [10, 7]);
        assert_eq!(times(vec![alert("a", None), alert("c", None)], 11), [10, 11]);
        assert_eq!(times(vec![alert("c", None)], 12), [11]);
        assert_eq!(times(vec![alert("a", None)], 13), [13]);
    }

    #[test]
    fn a_disk_is_told_of_when_little_is_left() {
        let disk = |free| Disk { total: u64::MAX, free, own: 1 };
        assert_eq!(of_disk("/x", disk(DISK_FREE_BYTES_MIN)), None);
        let alert = of_disk("/x", disk(DISK_FREE_BYTES_MIN - 1)).unwrap();
        assert_eq!(alert.message, "the disk of /x has 255 MB left");
    }
}

//! What channels carry: by the hour, in all, now; and how long that takes.

use std::{
    collections::BTreeMap,
    sync::{Arc, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    desk::{Desk, apart, now_ms},
    known::Known,
    monitoring::FORM,
};
use crate::{
    limits::USAGE_HOURS_KEPT,
    management::{
        Failure,
        accounts::{Caller, Permission},
        store::{Channel, Hour, StoreError, Subaccount, Totals},
    },
};

const HOUR_MS: i64 = 3_600_000;

/// Bytes from and to the service of each channel that runs, at some moment.
type Bytes = BTreeMap<i64, (u64, u64)>;

/// What is known of what runs.
#[derive(Debug, Default)]
pub(super) struct Counted {
    /// The store's channels that are to be open, as the connector was told last: what is written
    /// since is not in force yet.
    running: Vec<i64>,
    /// As they were when use was recorded last.
    bytes: Bytes,
}

impl Desk {
    /// Adds to the store what channels carried since the last call. Called every few seconds and at
    /// the end; `now_ms` is in milliseconds since 1970.
    ///
    /// # Errors
    /// The store cannot be used; the next call adds it.
    pub fn record_usage(&self, now_ms: i64) -> Result<(), StoreError> {
        let mut counted = self.counted();
        let (now, of_file) = self.count(&counted.running);
        let hour = now_ms.div_euclid(HOUR_MS);
        let hours: Vec<Hour> = carried(&counted.bytes, &now)
            .map(|(channel, received, sent)| Hour { channel, hour, received, sent })
            .collect();
        self.store.add_usage(&hours, &of_file)?;
        counted.bytes = now;
        Ok(())
    }

    /// Is told what the connector carries from now on.
    pub(super) fn runs(&self, wanted: &[(Subaccount, Vec<Channel>)]) {
        let enabled = wanted.iter().flat_map(|(_, channels)| channels).filter(|one| one.enabled);
        self.counted().running = enabled.map(|channel| channel.id).collect();
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What runs with its bytes, and which channels are the file's.
    fn count(&self, running: &[i64]) -> (Bytes, Vec<i64>) {
        let file = self.carrier.of_file();
        let of_file = file.subaccounts.iter().flat_map(|(_, channels)| channels);
        let of_file: Vec<i64> = of_file.map(|channel| channel.id).collect();
        let counted = |id: &i64| {
            let report = self.carrier.channel(*id)?;
            Some((*id, (report.received, report.sent)))
        };
        (running.iter().chain(&of_file).filter_map(counted).collect(), of_file)
    }

    /// Counts from now on.
    fn forget_usage(&self, caller: &Caller) -> Result<(), Failure> {
        let mut counted = self.counted();
        let (now, _) = self.count(&counted.running);
        self.write(caller, |edit| {
            edit.reset_usage(now_ms())?;
            Ok(((), "forgot what channels carried".to_owned()))
        })?;
        counted.bytes = now;
        Ok(())
    }
}

/// What each carried between two counts. One that was opened anew meanwhile counts from 0.
fn carried(last: &Bytes, now: &Bytes) -> impl Iterator<Item = (i64, u64, u64)> {
    now.iter().filter_map(|(id, (received, sent))| {
        let (before_received, before_sent) = last.get(id).copied().unwrap_or_default();
        let since = received.checked_sub(before_received).zip(sent.checked_sub(before_sent));
        let (received, sent) = since.unwrap_or((*received, *sent));
        (received > 0 || sent > 0).then_some((*id, received, sent))
    })
}

/// How many hours are asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    hours: Option<i64>,
}

pub(super) async fn hours(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Failure> {
    caller.must(Permission::SeeFigures)?;
    let Query(Asked { hours }) =
        asked.map_err(|error: QueryRejection| Failure::invalid(error.body_text()))?;
    let hours = hours.unwrap_or(USAGE_HOURS_KEPT);
    if !(1..=USAGE_HOURS_KEPT).contains(&hours) {
        return Err(Failure::invalid(format!("hours is 1 to {USAGE_HOURS_KEPT}")));
    }
    let now = now_ms();
    let from = now.div_euclid(HOUR_MS) - hours + 1;
    let known = apart(&desk, move |desk| Ok(desk.store.usage(from)?)).await?;
    let shown = known.iter().map(|one| {
        json!({
            "channel": one.channel,
            "hour": one.hour * HOUR_MS,
            "received": one.received,
            "sent": one.sent,
        })
    });
    Ok(Json(json!({ "now": now, "hours": shown.collect::<Vec<_>>() })).into_response())
}

pub(super) async fn forget(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
) -> Result<StatusCode, Failure> {
    caller.must(Permission::Administer)?;
    let done = apart(&desk, move |desk| desk.forget_usage(&caller));
    done.await.map(|()| StatusCode::NO_CONTENT)
}

pub(super) async fn latency(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
) -> Result<Response, Failure> {
    caller.must(Permission::SeeFigures)?;
    let us = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let all = apart(&desk, |desk| Ok(desk.carrier.latency())).await?;
    let shown = all.iter().map(|one| {
        json!({
            "name": one.name,
            "count": one.count,
            "p50": us(one.p50),
            "p90": us(one.p90),
            "p99": us(one.p99),
            "max": us(one.max),
        })
    });
    Ok(Json(json!({ "latency": shown.collect::<Vec<_>>() })).into_response())
}

pub(super) async fn connections(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
) -> Result<Response, Failure> {
    caller.must(Permission::SeeMonitoring)?;
    let done = apart(&desk, |desk| {
        let subaccounts = by_channel(&desk.all()?, "serviceChannelConnections", |channel| {
            let report = desk.carrier.channel(channel.id).unwrap_or_default();
            json!({ "connections": report.open_streams })
        });
        Ok(json!({ "subaccounts": subaccounts, "version": FORM }))
    });
    Ok(Json(done.await?).into_response())
}

pub(super) async fn totals(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
) -> Result<Response, Failure> {
    caller.must(Permission::SeeMonitoring)?;
    let done = apart(&desk, |desk| {
        let Totals { since, totals } = desk.store.totals()?;
        let totals: BTreeMap<i64, (u64, u64)> =
            totals.iter().map(|one| (one.channel, (one.received, one.sent))).collect();
        let subaccounts = by_channel(&desk.all()?, "serviceChannelUsageStatistics", |channel| {
            let (received, sent) = totals.get(&channel.id).copied().unwrap_or_default();
            json!({ "bytesReceived": received, "bytesSent": sent })
        });
        Ok(json!({ "subaccounts": subaccounts, "sinceTime": since, "version": FORM }))
    });
    Ok(Json(done.await?).into_response())
}

/// What there is to say of each channel, in the incumbent's form.
fn by_channel(all: &[Known], name: &str, say: impl Fn(&Channel) -> Value) -> Vec<Value> {
    let of_channel = |channel: &Channel| {
        let mut said = say(channel);
        said["port"] = json!(channel.made.port);
        said["typeDesc"] = json!({ "typeKey": "K8S", "typeName": "Kubernetes Cluster" });
        said
    };
    let of_subaccount = |known: &Known| {
        let one = &known.subaccount;
        json!({
            "regionHost": one.owner.region_host,
            "subaccount": one.owner.subaccount,
            "locationID": one.location,
            name: known.channels.iter().map(of_channel).collect::<Vec<_>>(),
        })
    };
    all.iter().map(of_subaccount).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_carried_is_the_difference_or_all_of_one_that_was_opened_anew() {
        let last = Bytes::from([(1, (10, 20)), (2, (10, 20)), (3, (10, 20)), (4, (1, 1))]);
        let now = Bytes::from([(1, (11, 22)), (2, (9, 200)), (3, (10, 20)), (5, (3, 0))]);
        let all: Vec<_> = carried(&last, &now).collect();
        assert_eq!(all, [(1, 1, 2), (2, 9, 200), (5, 3, 0)]);
    }
}

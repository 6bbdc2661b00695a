//! A channel is enabled for good only if it comes to run: whoever enables it is told why not, and
//! it is left disabled.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use tokio::time::{Instant, sleep};

use super::desk::{Desk, apart};
use crate::{
    limits::{ENABLE_LOOK_INTERVAL, ENABLE_TIMEOUT},
    management::{
        Failure,
        accounts::Caller,
        store::{Channel, Made, Owner},
    },
};

/// Disables one.
pub(super) fn disable(desk: &Desk, caller: &Caller, owner: &Owner, id: i64) -> Result<(), Failure> {
    desk.may_change_channel(caller, owner, id)?;
    desk.change(caller, |edit| {
        edit.change_channel(owner, id, |channel| channel.enabled = false)?;
        Ok(((), format!("disabled channel {id} of {owner}")))
    })
}

/// Enables one and waits for its first tunnel, or for what is wrong. One that is neither open nor
/// has a problem in time stays enabled and goes on trying.
pub(super) async fn enable(
    desk: Arc<Desk>,
    caller: Caller,
    owner: Owner,
    id: i64,
) -> Result<(), Failure> {
    // To its end even if whoever asks goes away: otherwise it would not be disabled again.
    let task = tokio::spawn(async move {
        let (by, of) = (caller.clone(), owner.clone());
        let begun = apart(&desk, move |desk| begin(desk, &by, &of, id)).await?;
        let Some(made) = begun else { return Ok(()) };
        let Some(problem) = problem(&desk, id).await else { return Ok(()) };
        apart(&desk, move |desk| {
            give_up(desk, &caller, &owner, id, &made, &problem)?;
            Err(Failure::failed(format!("Service channel could not be opened: {problem}")))
        })
        .await
    });
    task.await.unwrap_or_else(|_| Err(Failure::failed("this ended unexpectedly")))
}

/// What is enabled, if its outcome is to be waited for.
fn begin(desk: &Desk, caller: &Caller, owner: &Owner, id: i64) -> Result<Option<Made>, Failure> {
    desk.may_change_channel(caller, owner, id)?;
    let ports = desk.ports();
    let channel = desk.store.channel(owner, id)?;
    if channel.enabled {
        return Ok(None);
    }
    port_is_free(desk, id, &channel.made)
        .map_err(|why| Failure::failed(format!("Service channel could not be opened: {why}")))?;
    let now = desk.write(caller, |edit| {
        let (_, now) = edit.change_channel(owner, id, |channel| channel.enabled = true)?;
        Ok((now, format!("enabled channel {id} of {owner}")))
    })?;
    drop(ports);
    desk.put_in_force()?;
    Ok(desk.subaccount(owner)?.connected.then_some(now.made))
}

/// What is wrong with a channel that was just enabled; nothing as soon as it runs.
async fn problem(desk: &Desk, id: i64) -> Option<String> {
    let end = Instant::now() + ENABLE_TIMEOUT;
    loop {
        let report = desk.carrier.channel(id).unwrap_or_default();
        if report.open > 0 || Instant::now() >= end {
            return None;
        }
        if report.problem.is_some() {
            return report.problem;
        }
        sleep(ENABLE_LOOK_INTERVAL).await;
    }
}

/// Disables it again, unless somebody made another one of it meanwhile.
fn give_up(
    desk: &Desk,
    caller: &Caller,
    owner: &Owner,
    id: i64,
    made: &Made,
    problem: &str,
) -> Result<(), Failure> {
    let back = |channel: &mut Channel| channel.enabled &= channel.made != *made;
    desk.change(caller, |edit| {
        edit.change_channel(owner, id, back)?;
        Ok(((), format!("channel {id} of {owner} did not open: {problem}")))
    })
}

/// Whether a channel could listen beside all that are enabled, the file's too.
pub(super) fn port_is_free(desk: &Desk, id: i64, made: &Made) -> Result<(), String> {
    let local = SocketAddr::new(made.local_address, made.port);
    let beside = |other: &&Channel| {
        let there = SocketAddr::new(other.made.local_address, other.made.port);
        other.enabled && other.id != id && overlap(local, there)
    };
    let taken = |Channel { id, owner, .. }: &Channel, of: &str| {
        Err(format!("port {} is that of channel {id} of {owner}{of}", made.port))
    };
    let channels = desk.store.channels().map_err(|error| error.to_string())?;
    if let Some(other) = channels.iter().find(beside) {
        return taken(other, "");
    }
    let file = desk.carrier.of_file();
    match file.subaccounts.iter().flat_map(|(_, channels)| channels).find(beside) {
        None => Ok(()),
        Some(other) => taken(other, &format!(" in {}", file.path)),
    }
}

/// Whether two cannot both listen: an address for all takes the port of each.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let all = |ip: IpAddr| ip.is_unspecified();
    one.port() == other.port() && (one.ip() == other.ip() || all(one.ip()) || all(other.ip()))
}

//! Lists of a worker's sessions, made in turns with its other work, and ending one of them.

use std::{net::SocketAddr, rc::Rc, time::Instant};

use crossbeam_channel::Sender;

use super::Worker;
use crate::{
    limits,
    relay::{Face, Live, View, Whose},
    tunnel::{Ending, Key, Phase},
};

/// Which sessions a list is of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this subaccount.
    pub subaccount: Option<String>,
    /// For this service.
    pub service: Option<String>,
    /// From this location.
    pub location: Option<String>,
    /// In this phase.
    pub phase: Option<Phase>,
    /// With this peer's address, whatever its port.
    pub peer: Option<std::net::IpAddr>,
}

/// A list that is asked for.
#[derive(Debug, Clone)]
pub struct Look {
    /// Tunnels or streams.
    pub face: Face,
    /// Which of them.
    pub filter: Filter,
    /// Only those behind this place of the slab are shown; all are counted.
    pub after: Option<usize>,
    /// At most so many are shown.
    pub entries_max: usize,
}

/// What one worker saw.
#[derive(Debug, Clone)]
pub struct Seen {
    /// How many there are, whether shown or not.
    pub total: usize,
    /// Those that are shown, in the order of their places.
    pub views: Vec<View>,
    /// Whether some behind the last shown one were left out.
    pub has_more: bool,
    /// Whether the worker accepts no more.
    pub draining: bool,
}

impl Filter {
    fn admits(&self, live: &Live) -> bool {
        if self.phase.is_some_and(|phase| phase != live.phase()) {
            return false;
        }
        if self.peer.is_some_and(|peer| live.peer().map(of_address) != Some(peer)) {
            return false;
        }
        if self.subaccount.is_none() && self.service.is_none() && self.location.is_none() {
            return true;
        }
        live.with_whose(|whose| self.admits_whose(whose)).unwrap_or(false)
    }

    fn admits_whose(&self, whose: Whose<'_>) -> bool {
        let same = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        same(&self.subaccount, Some(whose.subaccount))
            && same(&self.service, whose.service)
            && same(&self.location, whose.location)
    }
}

fn of_address(address: SocketAddr) -> std::net::IpAddr {
    address.ip().to_canonical()
}

/// Goes over the slab piece by piece and answers at its end.
pub(super) async fn look(worker: Rc<Worker>, look: Look, answer: Sender<Seen>) {
    let now = Instant::now();
    let mut seen =
        Seen { total: 0, views: Vec::new(), has_more: false, draining: worker.is_draining() };
    let mut begin = 0;
    while begin < worker.shard.places() {
        let end = begin + limits::LIST_PLACES_PER_TURN;
        worker.shard.look_at(begin..end, |key, live| see(&look, &mut seen, (key, live), now));
        begin = end;
        tokio::task::yield_now().await;
    }
    // The asker may have given up waiting.
    let _ = answer.send(seen);
}

fn see(look: &Look, seen: &mut Seen, (key, live): (Key, &Live), now: Instant) {
    if !live.has_face(look.face) {
        return;
    }
    live.learn_whose();
    if !look.filter.admits(live) {
        return;
    }
    seen.total += 1;
    if look.after.is_some_and(|after| key.index() <= after) {
        return;
    }
    if seen.views.len() < look.entries_max {
        seen.views.push(live.view(key, now));
    } else {
        seen.has_more = true;
    }
}

/// Ends a session, if `key` still names one with that face; a tunnel with all it carries.
pub(super) fn kill(worker: &Worker, key: Key, face: Face) -> bool {
    let shard = &worker.shard;
    let Some(live) = shard.session(key).filter(|live| live.has_face(face)) else {
        return false;
    };
    if face == Face::Tunnel {
        // Named first: to a stream the end of its tunnel is only a loss.
        shard.each_session(|other| {
            if other.carrier() == Some(key) {
                other.kill(Ending::Killed);
            }
        });
    }
    live.kill(Ending::Killed);
    true
}

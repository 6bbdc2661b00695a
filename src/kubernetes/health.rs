//! What the admin server is told of the cluster: whether its API answers, who leads, what is
//! forbidden.

use std::{
    collections::BTreeMap,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::telemetry::Fact;

/// Written by the cluster's thread, read by the admin server's.
#[derive(Debug, Default)]
pub(super) struct Health {
    state: Mutex<State>,
    synced: Condvar,
}

#[derive(Debug, Default)]
struct State {
    source: String,
    /// The mappings were listed once.
    synced: bool,
    /// The list is kept up to date.
    connected: bool,
    /// Since when it is not.
    away_since: Option<Instant>,
    leads: bool,
    leader: Option<String>,
    /// What goes wrong now, by what was tried.
    problems: BTreeMap<&'static str, String>,
    tallies: Tallies,
}

/// What has happened since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tallies {
    pub(super) lists: u64,
    pub(super) status_writes: u64,
    pub(super) status_writes_failed: u64,
    pub(super) events: u64,
    pub(super) events_dropped: u64,
}

impl Health {
    pub(super) fn new(source: String) -> Self {
        let state = State { source, away_since: Some(Instant::now()), ..State::default() };
        Self { state: Mutex::new(state), synced: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The list is there, and the watch that keeps it up to date began. Says whether that is new.
    pub(super) fn connected(&self) -> bool {
        let mut state = self.lock();
        state.away_since = None;
        !std::mem::replace(&mut state.connected, true)
    }

    /// The watch broke. Says whether that is new.
    pub(super) fn disconnected(&self) -> bool {
        let mut state = self.lock();
        state.away_since.get_or_insert_with(Instant::now);
        std::mem::take(&mut state.connected)
    }

    /// All mappings are known.
    pub(super) fn synced(&self) {
        self.lock().synced = true;
        self.synced.notify_all();
    }

    /// Waits for the first list; says whether it came in time.
    pub(super) fn wait_synced(&self, timeout: Duration) -> bool {
        let waits = |state: &mut State| !state.synced;
        let waited = self.synced.wait_timeout_while(self.lock(), timeout, waits);
        waited.unwrap_or_else(PoisonError::into_inner).0.synced
    }

    pub(super) fn led_by(&self, leader: Option<&str>, by_us: bool) {
        let mut state = self.lock();
        state.leader = leader.map(str::to_owned);
        state.leads = by_us;
    }

    /// Something goes wrong, or no longer does. Says whether that is new.
    pub(super) fn problem(&self, area: &'static str, problem: Option<String>) -> bool {
        let mut state = self.lock();
        match problem {
            None => state.problems.remove(area).is_some(),
            Some(text) => state.problems.insert(area, text.clone()).as_ref() != Some(&text),
        }
    }

    pub(super) fn tally(&self, add: impl FnOnce(&mut Tallies)) {
        add(&mut self.lock().tallies);
    }

    /// Why no connector should be sent here: only that the mappings were never seen. Old ones
    /// are served while the API is away.
    pub(super) fn unready(&self) -> Option<String> {
        let state = self.lock();
        if state.synced {
            return None;
        }
        let why = state.problems.get(WATCH).map_or("the list is under way", String::as_str);
        Some(format!("the service mappings of the cluster are not known yet: {why}"))
    }

    /// What is wrong and no reason against connectors.
    pub(super) fn notes(&self) -> Vec<String> {
        let state = self.lock();
        if !state.synced {
            return Vec::new();
        }
        let away = state.away_since.filter(|_| !state.connected).map(|since| {
            format!(
                "the API of the cluster is away since {} s; the mappings of then are served",
                since.elapsed().as_secs()
            )
        });
        away.into_iter().chain(state.problems.values().cloned()).collect()
    }

    pub(super) fn details(&self) -> serde_json::Value {
        let state = self.lock();
        serde_json::json!({
            "source": state.source,
            "synced": state.synced,
            "connected": state.connected,
            "away_seconds": state.away_since.map(|since| since.elapsed().as_secs()),
            "leader": state.leader,
            "leads": state.leads,
            "problems": state.problems,
            "lists": state.tallies.lists,
            "status_writes": state.tallies.status_writes,
            "status_writes_failed": state.tallies.status_writes_failed,
            "events": state.tallies.events,
            "events_dropped": state.tallies.events_dropped,
        })
    }

    pub(super) fn facts(&self) -> Vec<(Fact, u64)> {
        let state = self.lock();
        vec![
            (Fact::KubernetesConnected, u64::from(state.connected)),
            (Fact::KubernetesLeads, u64::from(state.leads)),
            (Fact::KubernetesLists, state.tallies.lists),
            (Fact::KubernetesStatusWrites, state.tallies.status_writes),
            (Fact::KubernetesStatusWritesFailed, state.tallies.status_writes_failed),
            (Fact::KubernetesEvents, state.tallies.events),
            (Fact::KubernetesEventsDropped, state.tallies.events_dropped),
        ]
    }
}

/// Areas of problems: what was tried.
pub(super) const WATCH: &str = "watch";
pub(super) const LEASE: &str = "lease";
pub(super) const STATUS: &str = "status";
pub(super) const EVENTS: &str = "events";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_waits_for_the_first_list_and_survives_an_outage() {
        let health = Health::new("test".into());
        health.problem(WATCH, Some("connection refused".into()));
        assert!(health.unready().unwrap().contains("connection refused"));
        assert!(!health.wait_synced(Duration::ZERO));
        health.synced();
        assert!(health.connected() && !health.connected());
        health.problem(WATCH, None);
        assert!(health.wait_synced(Duration::ZERO) && health.unready().is_none());
        assert_eq!(health.notes(), [] as [&str; 0]);
        assert!(health.disconnected() && !health.disconnected());
        assert!(health.notes()[0].contains("away since 0 s"), "{:?}", health.notes());
        assert_eq!(health.unready(), None);
    }

    #[test]
    fn a_problem_is_new_once() {
        let health = Health::new("test".into());
        assert!(health.problem(STATUS, Some("a".into())));
        assert!(!health.problem(STATUS, Some("a".into())));
        assert!(health.problem(STATUS, Some("b".into())));
        assert!(health.problem(STATUS, None) && !health.problem(STATUS, None));
    }
}

//! What one worker knows of each service and of each subaccount: counts and histograms that a
//! stream reaches through a pointer, so that a byte on its way is recorded once. The sums over
//! all services are formed when somebody reads them.
//!
//! A worker tells so many services and subaccounts apart; those beyond share one place, named
//! [`OVERFLOW`]. One that nobody used for [`GROUP_IDLE`] is forgotten: what nobody asked for by
//! then remains in the sums.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    GroupCounts, GroupGauges, GroupKey, Latency, Metric,
    group::add,
    names::{OVERFLOW, REFUSAL_REASONS, known},
};
use crate::limits::{GROUP_IDLE, SERVICES_TOLD_APART_MAX, SUBACCOUNTS_TOLD_APART_MAX};

/// One service, or one tenant, on one worker.
pub struct Group {
    key: Arc<GroupKey>,
    news: RefCell<(GroupCounts, Latency)>,
    gauges: Cell<GroupGauges>,
    used_at: Cell<Instant>,
}

impl Group {
    fn new(key: GroupKey, now: Instant) -> Rc<Self> {
        Rc::new(Self {
            key: Arc::new(key),
            news: RefCell::default(),
            gauges: Cell::default(),
            used_at: Cell::new(now),
        })
    }

    /// Records one latency sample.
    pub fn sample(&self, metric: Metric, value: Duration) {
        debug_assert!(Metric::OF_SERVICES.contains(&metric));
        self.news.borrow_mut().1.record(metric, value);
    }

    /// A chunk was forwarded, so long after its receipt.
    pub fn forwarded(&self, metric: Metric, bytes: usize, took: Duration) {
        let (counts, latency) = &mut *self.news.borrow_mut();
        latency.record(metric, took);
        match metric {
            Metric::ForwardUp => counts.bytes_up += bytes as u64,
            _ => counts.bytes_down += bytes as u64,
        }
    }

    /// A CONNECT was refused.
    pub fn refused(&self, reason: &'static str) {
        add(&mut self.news.borrow_mut().0.refused, known(&REFUSAL_REASONS, reason), 1);
    }

    /// A dial ended, with one of [`super::names::DIAL_RESULTS`].
    pub fn dialled(&self, result: &'static str) {
        add(&mut self.news.borrow_mut().0.dials, result, 1);
    }

    /// A tunnel or a stream did not open in time.
    pub fn opening_timed_out(&self) {
        self.news.borrow_mut().0.opening_timeouts += 1;
    }

    /// A stream opened; it is open until the answer is dropped.
    pub fn stream(self: &Rc<Self>) -> Presence {
        self.news.borrow_mut().0.opened += 1;
        Presence::new(self, GroupGauges { streams: 1, ..GroupGauges::default() })
    }

    /// A tunnel came up that may be sent so much ahead; it is up until the answer is dropped.
    pub fn tunnel(self: &Rc<Self>, credit_bytes: u64) -> Presence {
        self.news.borrow_mut().0.tunnels += 1;
        Presence::new(self, GroupGauges { tunnels: 1, credit_bytes, ..GroupGauges::default() })
    }

    fn is_idle(&self, now: Instant) -> bool {
        self.gauges.get() == GroupGauges::default()
            && now.saturating_duration_since(self.used_at.get()) >= GROUP_IDLE
    }

    fn take(&self) -> GroupNews {
        let (counts, latency) = self.news.take();
        GroupNews { key: self.key.clone(), counts, latency, gauges: self.gauges.get() }
    }
}

/// Something that is there until it is dropped: a stream, a tunnel.
pub struct Presence {
    group: Rc<Group>,
    what: GroupGauges,
}

impl Presence {
    fn new(group: &Rc<Group>, what: GroupGauges) -> Self {
        let now = group.gauges.get();
        group.gauges.set(GroupGauges {
            streams: now.streams + what.streams,
            tunnels: now.tunnels + what.tunnels,
            credit_bytes: now.credit_bytes + what.credit_bytes,
        });
        Self { group: group.clone(), what }
    }

    /// Of whom.
    pub fn group(&self) -> &Rc<Group> {
        &self.group
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let now = self.group.gauges.get();
        self.group.gauges.set(GroupGauges {
            streams: now.streams - self.what.streams,
            tunnels: now.tunnels - self.what.tunnels,
            credit_bytes: now.credit_bytes - self.what.credit_bytes,
        });
        self.group.used_at.set(Instant::now());
    }
}

/// What came to a group since somebody last asked.
#[derive(Clone, Debug)]
pub struct GroupNews {
    /// Whose.
    pub key: Arc<GroupKey>,
    /// Counted since then.
    pub counts: GroupCounts,
    /// Recorded since then.
    pub latency: Latency,
    /// As it is now.
    pub gauges: GroupGauges,
}

/// What came to a worker since somebody last asked.
#[derive(Clone, Debug, Default)]
pub struct News {
    /// Recorded for no group.
    pub latency: Latency,
    /// Group by group.
    pub groups: Vec<GroupNews>,
}

/// All groups of one worker, and what belongs to none.
pub struct Groups {
    latency: Latency,
    tenants: HashMap<Box<str>, HashMap<Box<str>, Rc<Group>>>,
    /// Of services and of tenants: how many have a place, and who has none.
    services: (usize, Rc<Group>),
    subaccounts: (usize, Rc<Group>),
}

impl Groups {
    /// None yet.
    pub fn new(now: Instant) -> Self {
        Self {
            latency: Latency::new(),
            tenants: HashMap::new(),
            services: (0, Group::new(GroupKey::overflow(true), now)),
            subaccounts: (0, Group::new(GroupKey::overflow(false), now)),
        }
    }

    /// Records one latency sample of no group.
    pub fn sample(&mut self, metric: Metric, value: Duration) {
        self.latency.record(metric, value);
    }

    /// The group of a tenant's service, or with an empty one of the tenant. The tenant must be
    /// authenticated and the service one it has: nobody else may take a place here.
    pub fn group(&mut self, subaccount: &str, service: &str, now: Instant) -> Rc<Group> {
        let known = self.tenants.get(subaccount).and_then(|tenant| tenant.get(service));
        if let Some(group) = known {
            group.used_at.set(now);
            return group.clone();
        }
        let ((places, overflow), max) = if service.is_empty() {
            (&mut self.subaccounts, SUBACCOUNTS_TOLD_APART_MAX)
        } else {
            (&mut self.services, SERVICES_TOLD_APART_MAX)
        };
        if *places >= max || subaccount == OVERFLOW {
            return overflow.clone();
        }
        *places += 1;
        let key = GroupKey { subaccount: subaccount.into(), service: service.into() };
        let group = Group::new(key, now);
        let tenant = self.tenants.entry(subaccount.into()).or_default();
        tenant.insert(service.into(), group.clone());
        group
    }

    /// Forgets groups that nobody used for long.
    pub fn tick(&mut self, now: Instant) {
        let (latency, services, tenants) =
            (&mut self.latency, &mut self.services.0, &mut self.subaccounts.0);
        self.tenants.retain(|_, groups| {
            groups.retain(|_, group| {
                let idle = group.is_idle(now) && Rc::strong_count(group) == 1;
                if idle {
                    latency.merge(&group.take().latency);
                    *if group.key.is_service() { &mut *services } else { &mut *tenants } -= 1;
                }
                !idle
            });
            !groups.is_empty()
        });
    }

    /// Gives away what came since the last call.
    pub fn take(&mut self) -> News {
        let named = self.tenants.values().flat_map(HashMap::values);
        let all = named.chain([&self.services.1, &self.subaccounts.1]);
        let groups = all.map(|group| group.take()).collect();
        News { latency: self.latency.take(), groups }
    }

    /// Takes back what was given away and nobody took.
    pub fn give_back(&mut self, news: &News, now: Instant) {
        self.latency.merge(&news.latency);
        for of_group in &news.groups {
            if !of_group.counts.is_empty() || !of_group.latency.is_empty() {
                let group = if of_group.key.subaccount.as_ref() == OVERFLOW {
                    let whole =
                        if of_group.key.is_service() { &self.services } else { &self.subaccounts };
                    whole.1.clone()
                } else {
                    self.group(&of_group.key.subaccount, &of_group.key.service, now)
                };
                let (counts, latency) = &mut *group.news.borrow_mut();
                counts.merge(&of_group.counts);
                latency.merge(&of_group.latency);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Duration = Duration::from_millis(1);

    fn of<'n>(news: &'n News, subaccount: &str, service: &str) -> &'n GroupNews {
        let mut found = news
            .groups
            .iter()
            .filter(|news| (&*news.key.subaccount, &*news.key.service) == (subaccount, service));
        let one = found.next().unwrap_or_else(|| panic!("no {subaccount}/{service}"));
        assert!(found.next().is_none(), "{subaccount}/{service} comes twice");
        one
    }

    #[test]
    fn what_was_recorded_is_handed_out_once_and_what_is_stays() {
        let now = Instant::now();
        let mut groups = Groups::new(now);
        let group = groups.group("a", "x", now);
        let stream = group.stream();
        group.forwarded(Metric::ForwardUp, 7, MILLI);
        group.forwarded(Metric::ForwardDown, 9, MILLI);
        group.refused("no_such_mapping");
        group.refused("no_such_mapping");
        group.refused("never heard of");
        let tunnel = groups.group("a", "", now).tunnel(64);
        let news = groups.take();
        let service = of(&news, "a", "x");
        assert_eq!((service.counts.opened, service.gauges.streams), (1, 1));
        assert_eq!((service.counts.bytes_up, service.counts.bytes_down), (7, 9));
        assert_eq!(service.counts.refused, [("no_such_mapping", 2), ("other", 1)]);
        assert_eq!(service.latency.summary(Metric::ForwardUp).count, 1);
        let tenant = of(&news, "a", "");
        assert_eq!((tenant.gauges.tunnels, tenant.gauges.credit_bytes), (1, 64));
        let again = groups.take();
        let service = of(&again, "a", "x");
        assert!(service.counts.is_empty() && service.latency.is_empty());
        assert_eq!(service.gauges.streams, 1);
        drop((stream, tunnel));
        let after = groups.take();
        assert_eq!(of(&after, "a", "x").gauges, GroupGauges::default());
        assert_eq!(of(&after, "a", "").gauges, GroupGauges::default());
        groups.give_back(&news, now);
        let service = of(&groups.take(), "a", "x").clone();
        assert_eq!(
            (service.counts.opened, service.latency.summary(Metric::ForwardUp).count),
            (1, 1)
        );
    }

    #[test]
    fn those_beyond_the_bound_share_one_place() {
        let now = Instant::now();
        let mut groups = Groups::new(now);
        for nth in 0..SERVICES_TOLD_APART_MAX + 3 {
            groups.group("a", &format!("service {nth}"), now).refused("overloaded");
        }
        // Somebody whose name is ours is not told from those.
        groups.group(OVERFLOW, OVERFLOW, now).refused("overloaded");
        let news = groups.take();
        // The overflow of subaccounts is there as well.
        assert_eq!(news.groups.len(), SERVICES_TOLD_APART_MAX + 2);
        assert_eq!(of(&news, OVERFLOW, OVERFLOW).counts.refused, [("overloaded", 4)]);
        groups.give_back(&news, now);
        assert_eq!(of(&groups.take(), OVERFLOW, OVERFLOW).counts.refused, [("overloaded", 4)]);
    }

    #[test]
    fn an_idle_group_is_forgotten_and_its_samples_are_not() {
        let start = Instant::now();
        let mut groups = Groups::new(start);
        groups.group("a", "x", start).sample(Metric::Dial, MILLI);
        let stream = groups.group("a", "busy", start).stream();
        groups.tick(start + GROUP_IDLE - MILLI);
        assert_eq!(groups.services.0, 2);
        groups.tick(start + GROUP_IDLE);
        assert_eq!(groups.services.0, 1, "one has a stream");
        let news = groups.take();
        assert_eq!(news.latency.summary(Metric::Dial).count, 1);
        assert!(news.groups.iter().all(|news| &*news.key.service != "x"));
        drop(stream);
        groups.tick(Instant::now() + GROUP_IDLE);
        assert_eq!((groups.services.0, groups.tenants.len()), (0, 0));
    }
}

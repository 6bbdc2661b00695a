//! What all workers have handed out so far, put together: the side of it that is read.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use super::{GroupCounts, GroupGauges, GroupKey, Latency, Metric, News};
use crate::limits::{GROUP_IDLE, SERVICES_TOLD_APART_MAX, SUBACCOUNTS_TOLD_APART_MAX};

/// Everything since the start; its latencies since they were reset.
pub struct Figures {
    /// Each worker's, of all services and of none.
    workers: Vec<Latency>,
    groups: BTreeMap<Arc<GroupKey>, GroupFigures>,
    since: [SystemTime; Metric::ALL.len()],
}

/// What is known of one service or tenant.
#[derive(Clone, Debug)]
pub struct GroupFigures {
    /// Counted since the start.
    pub counts: GroupCounts,
    /// Recorded since it was reset.
    pub latency: Latency,
    /// As of the last question.
    pub gauges: GroupGauges,
    seen_at: Instant,
}

/// Which latencies are wanted; all of them unless it says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Those of one tenant.
    pub subaccount: Option<String>,
    /// Those of one service id, of whatever tenant.
    pub service: Option<String>,
    /// Those of one worker.
    pub worker: Option<usize>,
}

impl Selection {
    /// Whether services are picked out.
    pub fn is_of_services(&self) -> bool {
        self.subaccount.is_some() || self.service.is_some()
    }

    fn picks(&self, key: &GroupKey) -> bool {
        let fits = |wanted: &Option<String>, name: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == name)
        };
        fits(&self.subaccount, &key.subaccount) && fits(&self.service, &key.service)
    }
}

impl Figures {
    /// Of so many workers; nothing recorded yet.
    pub fn new(workers: usize) -> Self {
        Self {
            workers: vec![Latency::new(); workers],
            groups: BTreeMap::new(),
            since: [SystemTime::now(); Metric::ALL.len()],
        }
    }

    /// Takes in what the workers hand out, each with its number, and forgets groups from which
    /// nothing was heard for long.
    pub fn take_in(&mut self, news: impl IntoIterator<Item = (usize, News)>, now: Instant) {
        for figures in self.groups.values_mut() {
            figures.gauges = GroupGauges::default();
        }
        for (worker, News { latency, groups }) in news {
            self.workers[worker].merge(&latency);
            for news in groups {
                self.workers[worker].merge(&news.latency);
                let is_news = !news.counts.is_empty()
                    || !news.latency.is_empty()
                    || news.gauges != GroupGauges::default();
                if is_news {
                    let figures = self.place(&news.key, now);
                    figures.seen_at = now;
                    figures.counts.merge(&news.counts);
                    figures.latency.merge(&news.latency);
                    figures.gauges.add(&news.gauges);
                }
            }
        }
        self.groups
            .retain(|_, figures| now.saturating_duration_since(figures.seen_at) < GROUP_IDLE);
    }

    /// Workers may know different groups; together there are no more than one may know.
    fn place(&mut self, key: &Arc<GroupKey>, now: Instant) -> &mut GroupFigures {
        let is_service = key.is_service();
        let max = if is_service { SERVICES_TOLD_APART_MAX } else { SUBACCOUNTS_TOLD_APART_MAX };
        let overflow = GroupKey::overflow(is_service);
        let is_known = self.groups.contains_key(key) || **key == overflow;
        let like_it =
            |known: &&Arc<GroupKey>| known.is_service() == is_service && ***known != overflow;
        let has_room = is_known || self.groups.keys().filter(like_it).count() < max;
        let key = if has_room { key.clone() } else { Arc::new(overflow) };
        self.groups.entry(key).or_insert_with(|| GroupFigures {
            counts: GroupCounts::default(),
            latency: Latency::new(),
            gauges: GroupGauges::default(),
            seen_at: now,
        })
    }

    /// Latencies of whatever is selected; nothing of a service or worker that is not known.
    pub fn latency(&self, wanted: &Selection) -> Option<Latency> {
        let mut sum = Latency::new();
        if wanted.is_of_services() {
            let mut picked = self.services().filter(|(key, _)| wanted.picks(key)).peekable();
            picked.peek()?;
            picked.for_each(|(_, figures)| sum.merge(&figures.latency));
            return Some(sum);
        }
        match wanted.worker {
            Some(worker) => sum.merge(self.workers.get(worker)?),
            None => self.workers.iter().for_each(|worker| sum.merge(worker)),
        }
        Some(sum)
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.workers.len()
    }

    /// Every service that is told apart, in the order of subaccounts and service ids.
    pub fn services(&self) -> impl Iterator<Item = (&GroupKey, &GroupFigures)> {
        self.all().filter(|(key, _)| key.is_service())
    }

    /// Every tenant that is told apart.
    pub fn subaccounts(&self) -> impl Iterator<Item = (&GroupKey, &GroupFigures)> {
        self.all().filter(|(key, _)| !key.is_service())
    }

    fn all(&self) -> impl Iterator<Item = (&GroupKey, &GroupFigures)> {
        self.groups.iter().map(|(key, figures)| (&**key, figures))
    }

    /// Since when the histogram of a metric records, and for how long.
    pub fn since(&self, metric: Metric) -> (SystemTime, Duration) {
        let since = self.since[metric as usize];
        (since, SystemTime::now().duration_since(since).unwrap_or_default())
    }

    /// Forgets what was recorded of these metrics.
    pub fn reset(&mut self, metrics: &[Metric]) {
        for metric in metrics {
            self.since[*metric as usize] = SystemTime::now();
            let of_services = self.groups.values_mut().map(|figures| &mut figures.latency);
            self.workers.iter_mut().chain(of_services).for_each(|kept| kept.forget(*metric));
        }
    }
}

impl GroupGauges {
    fn add(&mut self, other: &Self) {
        self.streams += other.streams;
        self.tunnels += other.tunnels;
        self.credit_bytes += other.credit_bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{Groups, names::OVERFLOW};

    const MILLI: Duration = Duration::from_millis(1);

    fn count(figures: &Figures, wanted: &Selection, metric: Metric) -> Option<u64> {
        Some(figures.latency(wanted)?.summary(metric).count)
    }

    fn of(subaccount: Option<&str>, service: Option<&str>) -> Selection {
        let owned = |name: Option<&str>| name.map(str::to_owned);
        Selection { subaccount: owned(subaccount), service: owned(service), worker: None }
    }

    /// Two workers: `a/x` on both, `b/x` on one, and a handshake each.
    fn figures(now: Instant) -> Figures {
        let mut figures = Figures::new(2);
        let mut workers = [Groups::new(now), Groups::new(now)];
        for groups in &mut workers {
            groups.sample(Metric::TlsHandshake, MILLI);
            groups.group("a", "x", now).sample(Metric::Dial, MILLI);
        }
        workers[1].group("b", "x", now).sample(Metric::Dial, MILLI);
        figures.take_in(workers.iter_mut().map(Groups::take).enumerate(), now);
        figures
    }

    #[test]
    fn the_sum_of_all_services_is_what_the_workers_recorded() {
        let figures = figures(Instant::now());
        let all = Selection::default();
        assert_eq!(count(&figures, &all, Metric::Dial), Some(3));
        assert_eq!(count(&figures, &all, Metric::TlsHandshake), Some(2));
        for (worker, dials) in [(0, Some(1)), (1, Some(2)), (2, None)] {
            let wanted = Selection { worker: Some(worker), ..Selection::default() };
            assert_eq!(count(&figures, &wanted, Metric::Dial), dials);
        }
        for (subaccount, service, dials) in [
            (Some("a"), Some("x"), Some(2)),
            (Some("b"), None, Some(1)),
            (None, Some("x"), Some(3)),
            (Some("b"), Some("y"), None),
            (Some("c"), None, None),
        ] {
            assert_eq!(count(&figures, &of(subaccount, service), Metric::Dial), dials);
        }
    }

    #[test]
    fn a_reset_forgets_one_metric_everywhere_and_no_count() {
        let now = Instant::now();
        let mut figures = figures(now);
        let mut groups = Groups::new(now);
        groups.group("a", "x", now).refused("draining");
        figures.take_in([(0, groups.take())], now);
        figures.reset(&[Metric::Dial]);
        assert_eq!(count(&figures, &Selection::default(), Metric::Dial), Some(0));
        assert_eq!(count(&figures, &of(Some("a"), None), Metric::Dial), Some(0));
        assert_eq!(count(&figures, &Selection::default(), Metric::TlsHandshake), Some(2));
        assert!(figures.services().any(|(_, kept)| kept.counts.refused == [("draining", 1)]));
    }

    #[test]
    fn services_of_all_workers_together_are_bounded_and_forgotten_when_idle() {
        let now = Instant::now();
        let mut figures = Figures::new(2);
        for worker in 0..2 {
            let mut groups = Groups::new(now);
            for nth in 0..SERVICES_TOLD_APART_MAX {
                groups.group("a", &format!("{worker} {nth}"), now).sample(Metric::Dial, MILLI);
            }
            figures.take_in([(worker, groups.take())], now);
        }
        assert_eq!(figures.services().count(), SERVICES_TOLD_APART_MAX + 1);
        let beyond = of(Some(OVERFLOW), Some(OVERFLOW));
        let each = SERVICES_TOLD_APART_MAX as u64;
        assert_eq!(count(&figures, &beyond, Metric::Dial), Some(each));
        figures.take_in([], now + GROUP_IDLE);
        assert_eq!(figures.services().count(), 0);
        assert_eq!(count(&figures, &Selection::default(), Metric::Dial), Some(2 * each));
    }

    #[test]
    fn open_streams_are_those_of_the_last_answer() {
        let now = Instant::now();
        let (mut figures, mut groups) = (Figures::new(1), Groups::new(now));
        let stream = groups.group("a", "x", now).stream();
        for _ in 0..2 {
            figures.take_in([(0, groups.take())], now);
            assert_eq!(figures.services().next().unwrap().1.gauges.streams, 1);
        }
        drop(stream);
        figures.take_in([(0, groups.take())], now);
        assert_eq!(figures.services().next().unwrap().1.gauges.streams, 0);
    }
}

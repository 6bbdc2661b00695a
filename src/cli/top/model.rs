//! What is on the screen: the last two looks, and how the user wants to see them.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::sample::{Latency, Sample, Service};

/// What services are ordered by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    Streams,
    Up,
    Down,
    Latency,
    Name,
}

impl Sort {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Streams => "streams",
            Self::Up => "up",
            Self::Down => "down",
            Self::Latency => "p99",
            Self::Name => "name",
        }
    }

    fn next(self) -> Self {
        match self {
            Self::Streams => Self::Up,
            Self::Up => Self::Down,
            Self::Down => Self::Latency,
            Self::Latency => Self::Name,
            Self::Name => Self::Streams,
        }
    }
}

/// A key, whatever terminal it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Char(char),
    Enter,
    Escape,
    Backspace,
    Up,
    Down,
    /// Ctrl-C.
    Interrupt,
}

/// All that is known and wanted.
pub(super) struct Model {
    pub(super) url: String,
    pub(super) sample: Option<Sample>,
    before: Option<Sample>,
    /// Since when the server does not answer, and why.
    pub(super) lost: Option<(Instant, String)>,
    pub(super) sort: Sort,
    pub(super) filter: String,
    /// Whether the filter is being typed.
    pub(super) typing: bool,
    pub(super) paused: bool,
    /// Services above the first that is shown.
    pub(super) scrolled: usize,
}

/// One line of the table of services.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) service: Service,
    pub(super) streams: usize,
    /// Bytes a second: up, down.
    pub(super) rates: (f64, f64),
    /// The latency it is judged by, if it is known.
    pub(super) latency: Option<Latency>,
}

impl Model {
    pub(super) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            sample: None,
            before: None,
            lost: None,
            sort: Sort::Streams,
            filter: String::new(),
            typing: false,
            paused: false,
            scrolled: 0,
        }
    }

    /// The outcome of a look.
    pub(super) fn looked(&mut self, outcome: Result<Sample, String>, now: Instant) {
        match outcome {
            Err(why) => {
                let since = self.lost.take().map_or(now, |(since, _)| since);
                self.lost = Some((since, why));
            }
            Ok(sample) => {
                self.lost = None;
                if !self.paused {
                    self.before = self.sample.replace(sample);
                }
            }
        }
    }

    /// A key was pressed. Says whether to go on.
    pub(super) fn pressed(&mut self, key: Key) -> bool {
        match key {
            Key::Interrupt => return false,
            Key::Char(char) if self.typing => self.filter.push(char),
            Key::Backspace if self.typing => drop(self.filter.pop()),
            Key::Enter if self.typing => self.typing = false,
            Key::Escape => {
                self.typing = false;
                self.filter.clear();
            }
            Key::Char('q') => return false,
            Key::Char('s') => self.sort = self.sort.next(),
            Key::Char('/' | 'f') => self.typing = true,
            Key::Char('p' | ' ') => self.paused = !self.paused,
            Key::Up | Key::Char('k') => self.scrolled = self.scrolled.saturating_sub(1),
            Key::Down | Key::Char('j') => self.scrolled += 1,
            Key::Char(_) | Key::Enter | Key::Backspace => {}
        }
        let rows = self.rows().len();
        self.scrolled = self.scrolled.min(rows.saturating_sub(1));
        true
    }

    /// Bytes a second over everything: up, down; nothing before the second look.
    pub(super) fn throughput(&self) -> Option<(f64, f64)> {
        let (before, now) = (self.before.as_ref()?, self.sample.as_ref()?);
        let seconds = seconds(before, now)?;
        let rate = |before: u64, now: u64| now.saturating_sub(before) as f64 / seconds;
        Some((rate(before.bytes.0, now.bytes.0), rate(before.bytes.1, now.bytes.1)))
    }

    /// The services that pass the filter, in order.
    pub(super) fn rows(&self) -> Vec<Row> {
        let Some(now) = &self.sample else { return Vec::new() };
        let before = self.before.as_ref();
        let seconds = before.and_then(|before| seconds(before, now));
        let mut rows: HashMap<&Service, Row> = HashMap::new();
        for (id, stream) in &now.each {
            let row = rows.entry(&stream.service).or_insert_with(|| Row {
                service: stream.service.clone(),
                streams: 0,
                rates: (0.0, 0.0),
                latency: judged(now.of_services.get(&stream.service)),
            });
            row.streams += 1;
            let Some(seconds) = seconds else { continue };
            let earlier = before.and_then(|before| before.each.get(id)).map(|stream| stream.bytes);
            // One that was not there at the look before has moved all it has since.
            let is_new = Duration::from_millis(stream.age_ms).as_secs_f64() <= seconds + 0.5;
            let Some((up, down)) = earlier.or_else(|| is_new.then_some((0, 0))) else { continue };
            row.rates.0 += stream.bytes.0.saturating_sub(up) as f64 / seconds;
            row.rates.1 += stream.bytes.1.saturating_sub(down) as f64 / seconds;
        }
        let passes = |row: &Row| {
            row.service.0.contains(&self.filter) || row.service.1.contains(&self.filter)
        };
        let mut rows: Vec<Row> = rows.into_values().filter(passes).collect();
        rows.sort_by(|a, b| self.order(a, b).then_with(|| a.service.cmp(&b.service)));
        rows
    }

    fn order(&self, a: &Row, b: &Row) -> std::cmp::Ordering {
        let p99 = |row: &Row| row.latency.as_ref().map(|latency| latency.p99);
        match self.sort {
            Sort::Streams => b.streams.cmp(&a.streams),
            Sort::Up => b.rates.0.total_cmp(&a.rates.0),
            Sort::Down => b.rates.1.total_cmp(&a.rates.1),
            Sort::Latency => p99(b).cmp(&p99(a)),
            Sort::Name => std::cmp::Ordering::Equal,
        }
    }
}

/// The latency that tells most about a service: how soon it answers, else how soon it opens.
fn judged(latencies: Option<&Vec<Latency>>) -> Option<Latency> {
    let latencies = latencies?;
    let named = |name| latencies.iter().find(|latency| latency.name == name && latency.count > 0);
    named("first_byte").or_else(|| named("connect")).cloned()
}

fn seconds(before: &Sample, now: &Sample) -> Option<f64> {
    let seconds = now.at.saturating_duration_since(before.at).as_secs_f64();
    (seconds > 0.0).then_some(seconds)
}

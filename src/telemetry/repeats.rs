//! Keeps a flood of equal lines out of the log: so many lines of a kind per interval, then a
//! count. What a line says is counted elsewhere; nothing is lost but its repetition.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use crate::limits::LOG_REPEAT_KEYS_MAX;

/// Whether to write a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Write it, and say how many like it were left out before.
    Write {
        /// Lines of this kind left out since the last one written.
        suppressed: u64,
    },
    /// Leave it out; it has been counted.
    Suppress,
}

/// Decides line by line. The key is what the line is about: the call site and, where a peer
/// provokes the line, its subaccount, so that one tenant's flood does not hide another's line.
#[derive(Debug)]
pub struct Repeats {
    lines_max: u32,
    interval: Duration,
    /// At most [`LOG_REPEAT_KEYS_MAX`] kinds.
    windows: HashMap<Box<str>, Window>,
    /// What came when that many kinds were already known, taken together.
    overflow: Window,
}

#[derive(Debug)]
struct Window {
    started: Option<Instant>,
    written: u32,
    suppressed: u64,
}

impl Repeats {
    /// Lets `lines_max` lines of a kind through in each `interval`.
    pub fn new(lines_max: u32, interval: Duration) -> Self {
        Self { lines_max, interval, windows: HashMap::new(), overflow: Window::new() }
    }

    /// Judges one line of the kind `key`.
    pub fn judge(&mut self, key: &str, now: Instant) -> Verdict {
        if let Some(window) = self.windows.get_mut(key) {
            return window.judge(self.lines_max, self.interval, now);
        }
        if self.windows.len() >= LOG_REPEAT_KEYS_MAX {
            let interval = self.interval;
            self.windows.retain(|_, window| window.suppressed > 0 || !window.over(interval, now));
        }
        let window = if self.windows.len() < LOG_REPEAT_KEYS_MAX {
            self.windows.entry(key.into()).or_insert_with(Window::new)
        } else {
            &mut self.overflow
        };
        window.judge(self.lines_max, self.interval, now)
    }

    /// Forgets the kinds whose interval is over and returns those with lines left out, which no
    /// later line has told about: to be called now and then and written as one line each.
    pub fn finished(&mut self, now: Instant) -> Vec<(String, u64)> {
        let interval = self.interval;
        let mut told = Vec::new();
        self.windows.retain(|key, window| {
            let over = window.over(interval, now);
            if over && window.suppressed > 0 {
                told.push((key.to_string(), window.suppressed));
            }
            !over
        });
        if self.overflow.over(interval, now) && self.overflow.suppressed > 0 {
            told.push(("other".to_owned(), self.overflow.suppressed));
            self.overflow = Window::new();
        }
        told
    }
}

impl Window {
    fn new() -> Self {
        Self { started: None, written: 0, suppressed: 0 }
    }

    fn over(&self, interval: Duration, now: Instant) -> bool {
        self.started.is_none_or(|started| now.saturating_duration_since(started) >= interval)
    }

    fn judge(&mut self, lines_max: u32, interval: Duration, now: Instant) -> Verdict {
        if self.over(interval, now) {
            self.started = Some(now);
            self.written = 0;
        }
        if self.written >= lines_max {
            self.suppressed += 1;
            return Verdict::Suppress;
        }
        self.written += 1;
        Verdict::Write { suppressed: std::mem::take(&mut self.suppressed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(10);

    #[test]
    fn a_flood_is_cut_and_the_next_line_says_how_much() {
        let start = Instant::now();
        let mut repeats = Repeats::new(2, INTERVAL);
        assert_eq!(repeats.judge("a", start), Verdict::Write { suppressed: 0 });
        assert_eq!(repeats.judge("a", start), Verdict::Write { suppressed: 0 });
        for _ in 0..7 {
            assert_eq!(repeats.judge("a", start + INTERVAL / 2), Verdict::Suppress);
        }
        assert_eq!(repeats.judge("b", start), Verdict::Write { suppressed: 0 });
        assert_eq!(repeats.judge("a", start + INTERVAL), Verdict::Write { suppressed: 7 });
        assert_eq!(repeats.judge("a", start + INTERVAL), Verdict::Write { suppressed: 0 });
        assert_eq!(repeats.judge("a", start + INTERVAL), Verdict::Suppress);
    }

    #[test]
    fn a_flood_that_stopped_is_told_once() {
        let start = Instant::now();
        let mut repeats = Repeats::new(1, INTERVAL);
        for _ in 0..4 {
            repeats.judge("a", start);
        }
        repeats.judge("b", start);
        assert_eq!(repeats.finished(start), []);
        assert_eq!(repeats.finished(start + INTERVAL), [("a".to_owned(), 3)]);
        assert_eq!(repeats.finished(start + INTERVAL), []);
        assert!(repeats.windows.is_empty());
    }

    #[test]
    fn a_flood_of_kinds_is_bounded_and_told() {
        let start = Instant::now();
        let mut repeats = Repeats::new(1, INTERVAL);
        for kind in 0..LOG_REPEAT_KEYS_MAX + 5 {
            repeats.judge(&kind.to_string(), start);
        }
        assert_eq!(repeats.windows.len(), LOG_REPEAT_KEYS_MAX);
        assert_eq!(repeats.judge("one more", start), Verdict::Suppress);
        let later = start + INTERVAL;
        assert_eq!(repeats.finished(later), [("other".to_owned(), 5)]);
        assert_eq!(repeats.judge("one more", later), Verdict::Write { suppressed: 0 });
        assert_eq!(repeats.windows.len(), 1);
    }
}

//! One span: something that took a while.

use std::{
    net::SocketAddr,
    time::{Duration, Instant, SystemTime},
};

use super::TraceContext;

/// What a span will be, once it has ended; only made for those that are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed {
    /// Itself.
    pub context: TraceContext,
    /// The span it is part of.
    pub parent: Option<u64>,
    /// Which side of a request it is.
    pub kind: SpanKind,
}

impl Seed {
    /// The seed of something that is asked for within this span.
    #[must_use]
    pub fn part(self) -> Self {
        let (context, parent) = (self.context.child(), Some(self.context.span));
        Self { context, parent, kind: SpanKind::Client }
    }
}

/// Which side of a request a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// The one that is asked.
    Server,
    /// The one that asks.
    Client,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text.
    Text(String),
    /// A number.
    Number(u64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<SocketAddr> for Value {
    fn from(address: SocketAddr) -> Self {
        Self::Text(address.to_string())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

/// A span that has ended.
#[derive(Clone, Debug)]
pub struct Span {
    /// Which it is, and of what.
    pub seed: Seed,
    /// What took a while.
    pub name: &'static str,
    /// When it began.
    pub from: SystemTime,
    /// When it ended.
    pub to: SystemTime,
    /// What else there is to know.
    pub attributes: Vec<(&'static str, Value)>,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

impl Span {
    /// A span that began at `started` and took `took`.
    #[must_use]
    pub fn new(seed: Seed, name: &'static str, started: Instant, took: Duration) -> Self {
        let from = SystemTime::now() - started.elapsed();
        Self { seed, name, from, to: from + took, attributes: Vec::new(), error: None }
    }

    /// Adds an attribute.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: impl Into<Value>) -> Self {
        self.attributes.push((key, value.into()));
        self
    }

    /// Says that it failed, and why.
    #[must_use]
    pub fn failed(mut self, why: impl Into<String>) -> Self {
        self.error = Some(why.into());
        self
    }
}

//! Traces: spans of streams, joined over connector and proxy by `traceparent`, sent to a collector
//! as OTLP. Off unless configured; workers leave spans in a bounded queue and never wait.

mod context;
mod export;
mod handle;
mod otlp;
mod span;

pub use context::TraceContext;
pub use handle::{Settings, TraceThread, Traces};
pub use span::{Seed, Span, SpanKind, Value};

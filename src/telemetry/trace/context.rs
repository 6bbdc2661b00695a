//! Which trace something belongs to (W3C Trace Context, level 1).

use std::fmt;

/// A span within its trace. Displays as `traceparent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace: u128,
    /// The span in it.
    pub span: u64,
    /// Whether whoever began the trace wants it recorded.
    pub sampled: bool,
}

impl TraceContext {
    /// The first span of a new trace.
    #[must_use]
    pub fn begin(sampled: bool) -> Self {
        // Zero means "none" in both places.
        Self { trace: fastrand::u128(1..), span: fastrand::u64(1..), sampled }
    }

    /// Another span of the same trace.
    #[must_use]
    pub fn child(self) -> Self {
        Self { span: fastrand::u64(1..), ..self }
    }

    /// Reads a well-formed `traceparent`; nothing for one that names no trace.
    #[must_use]
    pub fn parse(traceparent: &str) -> Option<Self> {
        let mut parts = traceparent.split('-');
        // Version ff is none; later versions begin like this one.
        let _version = parts.next().filter(|version| *version != "ff")?;
        let trace = u128::from_str_radix(parts.next()?, 16).ok().filter(|trace| *trace != 0)?;
        let span = u64::from_str_radix(parts.next()?, 16).ok().filter(|span| *span != 0)?;
        let flags = u8::from_str_radix(parts.next()?, 16).ok()?;
        Some(Self { trace, span, sampled: flags & 1 == 1 })
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace, span, sampled } = self;
        write!(formatter, "00-{trace:032x}-{span:016x}-{:02x}", u8::from(*sampled))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_survives_its_text() {
        for sampled in [true, false] {
            let context = TraceContext::begin(sampled);
            assert_eq!(TraceContext::parse(&context.to_string()), Some(context));
            let child = context.child();
            assert_eq!((child.trace, child.sampled), (context.trace, sampled));
            assert_ne!(child.span, context.span);
        }
    }

    #[test]
    fn what_names_no_trace_is_none() {
        let zeros = |text: &str| "0".repeat(text.len());
        let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
        assert!(TraceContext::parse(&format!("00-{trace}-{span}-01")).is_some());
        for wrong in [
            format!("ff-{trace}-{span}-01"),
            format!("00-{}-{span}-01", zeros(trace)),
            format!("00-{trace}-{}-01", zeros(span)),
            format!("00-{trace}"),
            String::new(),
        ] {
            assert_eq!(TraceContext::parse(&wrong), None, "{wrong}");
        }
    }
}

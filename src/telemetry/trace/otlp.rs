//! Spans in the JSON form of OTLP (opentelemetry-proto, `ExportTraceServiceRequest`): ids in
//! hexadecimal, 64-bit numbers as text.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value as Json, json};

use super::{Span, SpanKind, Value};

/// A request that tells a collector of some spans.
pub(super) fn request(role: &str, spans: &[Span]) -> String {
    let resource = [
        ("service.name", Value::Text(format!("causeway-{role}"))),
        ("service.version", Value::from(env!("CARGO_PKG_VERSION"))),
    ];
    json!({ "resourceSpans": [{
        "resource": { "attributes": attributes(&resource) },
        "scopeSpans": [{
            "scope": { "name": "causeway" },
            "spans": spans.iter().map(span).collect::<Vec<_>>(),
        }],
    }] })
    .to_string()
}

fn span(span: &Span) -> Json {
    let context = span.seed.context;
    let mut json = json!({
        "traceId": format!("{:032x}", context.trace),
        "spanId": format!("{:016x}", context.span),
        "name": span.name,
        // SPAN_KIND_SERVER, SPAN_KIND_CLIENT.
        "kind": match span.seed.kind { SpanKind::Server => 2, SpanKind::Client => 3 },
        "startTimeUnixNano": nanos(span.from),
        "endTimeUnixNano": nanos(span.to),
        "attributes": attributes(&span.attributes),
    });
    if let Some(parent) = span.seed.parent {
        json["parentSpanId"] = format!("{parent:016x}").into();
    }
    if let Some(why) = &span.error {
        // STATUS_CODE_ERROR.
        json["status"] = json!({ "code": 2, "message": why });
    }
    json
}

fn attributes(attributes: &[(&'static str, Value)]) -> Vec<Json> {
    let one = |(key, value): &(&'static str, Value)| {
        let value = match value {
            Value::Text(text) => json!({ "stringValue": text }),
            Value::Number(number) => json!({ "intValue": number.to_string() }),
        };
        json!({ "key": key, "value": value })
    };
    attributes.iter().map(one).collect()
}

fn nanos(at: SystemTime) -> String {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos().to_string()
}

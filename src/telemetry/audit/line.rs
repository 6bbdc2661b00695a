//! A record as a line of text.

use std::{fmt::Display, fmt::Write, time::SystemTime};

use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::Event;
use crate::telemetry::{Party, TunnelId};

/// Every record begins with it, so that it can be told from other lines.
pub(super) const MARKER: &str = "[AUDIT-EVENT]";

/// What every record of a process has in common.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    /// The role of the process.
    pub(super) role: &'static str,
    /// Tells this run of the process from others, so that tunnel ids do not repeat.
    pub(super) run: String,
}

/// Appends the line of an event, with its line break.
pub(super) fn write(
    out: &mut Vec<u8>,
    origin: &Origin,
    (seq, at): (u64, SystemTime),
    event: &Event,
    left_out: u64,
) {
    let mut object = Object::new();
    object.number("seq", seq);
    object.text("time", &date(at));
    object.text("role", origin.role);
    fill(&mut object, origin, event);
    if left_out > 0 {
        object.number("left_out_before", left_out);
    }
    out.extend_from_slice(MARKER.as_bytes());
    out.push(b' ');
    out.extend_from_slice(object.finish().as_bytes());
    out.push(b'\n');
}

fn fill(object: &mut Object, origin: &Origin, event: &Event) {
    match event {
        Event::Started => {
            object.text("event", "start");
            object.text("version", env!("CARGO_PKG_VERSION"));
        }
        Event::Stopped => object.text("event", "stop"),
        Event::TunnelOpened { .. } | Event::TunnelFailed { .. } => tunnel(object, origin, event),
        Event::StreamOpened(party) => {
            object.text("event", "stream_open");
            of_party(object, origin, party);
        }
        Event::StreamClosed { party, up_bytes, down_bytes, lifetime, ending } => {
            object.text("event", "stream_close");
            of_party(object, origin, party);
            object.number("up_bytes", *up_bytes);
            object.number("down_bytes", *down_bytes);
            object.number("lifetime_ms", u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX));
            object.text("ending", ending);
        }
        Event::StreamRefused { .. } => refused(object, origin, event),
        Event::ChannelOpened { local, endpoint } => {
            object.text("event", "channel_open");
            object.text("local", local);
            object.text("endpoint", endpoint);
        }
        Event::Changed { what, detail, refused } => {
            object.text("event", "configuration");
            object.text("what", what);
            object.text("detail", detail);
            object.text("result", if refused.is_none() { "in force" } else { "refused" });
            if let Some(why) = refused {
                object.text("reason", why);
            }
        }
        Event::Gap { missing, from, to, reason } => {
            object.text("event", "gap");
            object.number("missing", *missing);
            object.text("from", &date(*from));
            object.text("to", &date(*to));
            object.text("reason", reason);
        }
        Event::Repeated { kind, left_out } => {
            object.text("event", "repeated");
            object.text("kind", kind);
            object.number("left_out", *left_out);
        }
    }
}

/// Opened or failed: the incumbent's two events, with its keys and some of ours beside them. Its
/// `data` is text that holds JSON.
fn tunnel(object: &mut Object, origin: &Origin, event: &Event) {
    let (id, peer, tenant, serial, message, details) = match event {
        Event::TunnelOpened { tunnel, peer, subaccount, location, serial, protocol } => {
            object.text("event", "tunnel_open");
            object.text("peer", peer);
            if let Some(location) = location {
                object.text("location", location);
            }
            let details = (*protocol).to_owned();
            (Some(*tunnel), Some(*peer), subaccount, serial, "success", details)
        }
        Event::TunnelFailed { peer, subaccount, serial, reason, detail } => {
            object.text("event", "tunnel_failed");
            if let Some(peer) = peer {
                object.text("peer", peer);
            }
            object.text("reason", reason);
            (None, *peer, subaccount, serial, "failure", detail.clone())
        }
        _ => return,
    };
    object.text("serial", serial);
    // A tunnel has no user, and the incumbent has a key of its own for that.
    let holder = if serial.is_empty() { "unknown" } else { "certificate holder" };
    object.text("fallback_for_missing_user", holder);
    object.text("tenant", tenant);
    let mut data = Object::new();
    data.text("action", "open connectivity tunnel");
    data.text("message", &format_args!("tunnel handshake {message}"));
    let id = id.map(|id| tunnel_text(origin, id)).unwrap_or_default();
    data.text("tunnelId", &id);
    data.text("objectName", "connectivity tunnel management");
    data.text("clientId", serial);
    data.text("loggedByClass", &format_args!("causeway::{}", origin.role));
    let peer = peer.map(|peer| format!(" ({peer})")).unwrap_or_default();
    data.text("handshakeDetails", &format_args!("{details}{peer}"));
    if !id.is_empty() {
        object.text("tunnel", &id);
    }
    object.text("data", &data.finish());
}

fn of_party(object: &mut Object, origin: &Origin, party: &Party) {
    object.text("subaccount", &party.subaccount);
    object.text("location", &party.location);
    object.text("serial", &party.serial);
    object.text("service", &party.service);
    object.text("peer", &party.peer);
    object.text("dialled", &party.target);
    object.text("tunnel", &tunnel_text(origin, party.tunnel));
    if let Some(traceparent) = &party.traceparent {
        object.text("traceparent", traceparent);
    }
}

fn refused(object: &mut Object, origin: &Origin, event: &Event) {
    let Event::StreamRefused {
        peer, tunnel, subaccount, location, serial, service, reason, ..
    } = event
    else {
        return;
    };
    object.text("event", "stream_refuse");
    object.text("subaccount", subaccount);
    object.text("location", location);
    object.text("serial", serial);
    object.text("service", service);
    object.text("peer", peer);
    if let Some(tunnel) = tunnel {
        object.text("tunnel", &tunnel_text(origin, *tunnel));
    }
    object.text("reason", reason);
}

fn tunnel_text(origin: &Origin, id: TunnelId) -> String {
    format!("{}-{id}", origin.run)
}

fn date(at: SystemTime) -> String {
    OffsetDateTime::from(at).format(&Rfc3339).unwrap_or_default()
}

/// A JSON object with its keys in the order they are written in.
struct Object(String);

impl Object {
    fn new() -> Self {
        Self(String::with_capacity(512))
    }

    fn key(&mut self, key: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        self.value(key);
        self.0.push(':');
    }

    fn value(&mut self, text: &str) {
        // Printing a value as JSON has no way to fail.
        let _ = write!(self.0, "{}", Value::from(text));
    }

    fn text<T: Display + ?Sized>(&mut self, key: &str, text: &T) {
        self.key(key);
        self.value(&text.to_string());
    }

    fn number(&mut self, key: &str, number: u64) {
        self.key(key);
        let _ = write!(self.0, "{number}");
    }

    fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(event: &Event) -> Value {
        let origin = Origin { role: "proxy", run: "run".to_owned() };
        let mut out = Vec::new();
        write(&mut out, &origin, (7, SystemTime::UNIX_EPOCH), event, 0);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.find('\n'), Some(text.len() - 1), "{text:?}");
        serde_json::from_str(text.strip_prefix(MARKER).unwrap()).unwrap()
    }

    #[test]
    fn a_tunnel_has_the_incumbents_keys_and_text_that_is_json() {
        let opened = record(&Event::TunnelOpened {
            tunnel: TunnelId { worker: 2, number: 5 },
            peer: "192.0.2.1:5000".parse().unwrap(),
            subaccount: "acme".to_owned(),
            location: None,
            serial: "0a:ff".to_owned(),
            protocol: "h2",
        });
        assert_eq!(opened["tenant"], "acme");
        assert_eq!(opened["fallback_for_missing_user"], "certificate holder");
        assert_eq!((&opened["seq"], &opened["time"]), (&7.into(), &"1970-01-01T00:00:00Z".into()));
        let data: Value = serde_json::from_str(opened["data"].as_str().unwrap()).unwrap();
        assert_eq!(data["action"], "open connectivity tunnel");
        assert_eq!(data["message"], "tunnel handshake success");
        assert_eq!(data["objectName"], "connectivity tunnel management");
        assert_eq!((&data["tunnelId"], &data["clientId"]), (&"run-2-5".into(), &"0a:ff".into()));
        for key in ["loggedByClass", "handshakeDetails"] {
            assert!(data[key].is_string(), "{key}");
        }
    }

    #[test]
    fn hostile_text_stays_inside_its_value() {
        let hostile = "\"},\n[AUDIT-EVENT] {\"a\":\"\u{1b}[31m\\\u{0}";
        let failed = record(&Event::TunnelFailed {
            peer: None,
            subaccount: hostile.to_owned(),
            serial: String::new(),
            reason: "closed",
            detail: hostile.to_owned(),
        });
        assert_eq!(failed["tenant"], hostile);
        let data: Value = serde_json::from_str(failed["data"].as_str().unwrap()).unwrap();
        assert_eq!(data["handshakeDetails"], hostile);
        assert_eq!(data["message"], "tunnel handshake failure");
    }
}

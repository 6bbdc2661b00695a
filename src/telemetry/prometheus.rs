//! Counters in the text format of Prometheus. Every series is there from the start, with 0, so
//! that a rate over the first event is right.

use std::fmt::{Result, Write};

use crate::telemetry::{
    counters::{
        BY_WORKER, Gauge, HANDSHAKES_FAILED_SLOT, PLAIN, REFUSED_SLOT, SHED_SLOT,
        STREAMS_ENDED_SLOT,
    },
    names::{HANDSHAKE_FAILURES, REFUSAL_REASONS, SHED_CAUSES, STREAM_ENDINGS},
    snapshot::{CountersSnapshot, Fact, Several},
};

/// Content type of the text format.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

impl CountersSnapshot {
    /// Appends everything.
    pub fn prometheus(&self, out: &mut String) {
        self.write_all(out).expect("writing to a String does not fail");
    }

    fn write_all(&self, out: &mut String) -> Result {
        self.write_build_info(out)?;
        for (slot, (_, name, help)) in PLAIN.iter().enumerate() {
            head(out, &format!("causeway_{name}_total"), "counter", help)?;
            writeln!(out, "causeway_{name}_total {}", self.counts[slot])?;
        }
        self.write_labelled(
            out,
            ("tls_handshakes_failed", "reason", "TLS handshakes that failed."),
            (HANDSHAKES_FAILED_SLOT, &HANDSHAKE_FAILURES),
        )?;
        self.write_labelled(
            out,
            ("refusals", "reason", "CONNECT requests refused."),
            (REFUSED_SLOT, &REFUSAL_REASONS),
        )?;
        self.write_labelled(
            out,
            ("streams_ended", "ending", "Streams that came to an end."),
            (STREAMS_ENDED_SLOT, &STREAM_ENDINGS),
        )?;
        self.write_labelled(
            out,
            ("shed", "cause", "What was turned away for want of a resource."),
            (SHED_SLOT, &SHED_CAUSES),
        )?;
        self.write_by_worker(out)?;
        for ((_, name, kind, help), value) in Fact::ALL.iter().zip(self.facts) {
            if let Some(value) = value {
                head(out, &format!("causeway_{name}"), kind, help)?;
                writeln!(out, "causeway_{name} {value}")?;
            }
        }
        for Several { name, help, values } in &self.several {
            head(out, &format!("causeway_{name}"), "gauge", help)?;
            for (labels, value) in values {
                let labels: Vec<String> = labels
                    .iter()
                    .map(|(name, value)| format!("{name}=\"{}\"", escape(value)))
                    .collect();
                writeln!(out, "causeway_{name}{{{}}} {value}", labels.join(","))?;
            }
        }
        Ok(())
    }

    fn write_build_info(&self, out: &mut String) -> Result {
        head(out, "causeway_build_info", "gauge", "What is running, in labels.")?;
        write!(out, "causeway_build_info{{version=\"{}\"", env!("CARGO_PKG_VERSION"))?;
        for (name, value) in &self.labels {
            write!(out, ",{name}=\"{}\"", escape(value))?;
        }
        writeln!(out, "}} 1")
    }

    fn write_by_worker(&self, out: &mut String) -> Result {
        for shown in &Gauge::ALL {
            let name = shown.name;
            head(out, &format!("causeway_{name}"), shown.kind, shown.help)?;
            for (worker, gauges) in self.gauges.iter().enumerate() {
                let value = gauges[shown.gauge as usize] as f64 / shown.divisor;
                writeln!(out, "causeway_{name}{{worker=\"{worker}\"}} {value}")?;
            }
        }
        let name = "causeway_worker_skew_ratio";
        head(out, name, "gauge", "The busiest worker's share of time by the mean of all.")?;
        writeln!(out, "{name} {}", self.skew())?;
        for (count, name, help) in PLAIN.iter().filter(|(count, ..)| BY_WORKER.contains(count)) {
            let name = format!("causeway_worker_{name}_total");
            head(out, &name, "counter", &format!("{} By worker.", help))?;
            for (worker, counts) in self.counts_of.iter().enumerate() {
                writeln!(out, "{name}{{worker=\"{worker}\"}} {}", count.read(counts))?;
            }
        }
        Ok(())
    }

    fn write_labelled(
        &self,
        out: &mut String,
        (name, label, help): (&str, &str, &str),
        (first_slot, values): (usize, &[&str]),
    ) -> Result {
        head(out, &format!("causeway_{name}_total"), "counter", help)?;
        for (value, count) in values.iter().zip(&self.counts[first_slot..]) {
            writeln!(out, "causeway_{name}_total{{{label}=\"{value}\"}} {count}")?;
        }
        Ok(())
    }
}

pub(super) fn head(out: &mut String, name: &str, kind: &str, help: &str) -> Result {
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}")
}

pub(super) fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, sync::Arc};

    use super::*;
    use crate::telemetry::{Count, Counters};

    fn text() -> String {
        let workers = [Arc::new(Counters::new()), Arc::new(Counters::new())];
        workers[0].add(Count::Refused("no_such_mapping"), 3);
        workers[1].add(Count::BytesDown, 9);
        workers[1].set(Gauge::Sessions, 4);
        let snapshot = CountersSnapshot::of(&workers)
            .with(Fact::Mappings, 6)
            .labelled("engine", "io\"uring\n")
            .with_several([Several {
                name: "channel_tunnels_ready",
                help: "Tunnels ready.",
                values: vec![(vec![("service", "x\"".to_owned()), ("local", "y".to_owned())], 3)],
            }]);
        let mut text = String::new();
        snapshot.prometheus(&mut text);
        text
    }

    #[test]
    fn what_was_counted_is_shown() {
        let text = text();
        for line in [
            "causeway_refusals_total{reason=\"no_such_mapping\"} 3",
            "causeway_refusals_total{reason=\"other\"} 0",
            "causeway_bytes_down_total 9",
            "causeway_sessions{worker=\"0\"} 0",
            "causeway_sessions{worker=\"1\"} 4",
            "causeway_mappings 6",
            "causeway_channel_tunnels_ready{service=\"x\\\"\",local=\"y\"} 3",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(text.contains(",engine=\"io\\\"uring\\n\"} 1\n"), "{text}");
        assert!(!text.contains("certificate_not_after"), "a fact not known is not shown");
    }

    #[test]
    fn every_series_follows_its_own_help_and_type_and_comes_once() {
        let text = text();
        let mut seen = HashSet::new();
        let mut family = "";
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                family = rest.split(' ').next().unwrap();
                let counter = rest.ends_with(" counter");
                assert_eq!(counter, family.ends_with("_total"), "{line}");
            } else if !line.starts_with('#') {
                let series = line.rsplit_once(' ').unwrap().0;
                assert_eq!(series.split('{').next(), Some(family), "{line}");
                assert!(seen.insert(series.to_owned()), "{series} comes twice");
            }
        }
        assert!(seen.len() > 50, "{text}");
    }
}

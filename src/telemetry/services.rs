//! Figures of each service and subaccount in the text format of Prometheus. Their number is
//! bounded, so a metric here has no more series than [`super::groups`] tells apart.

use std::fmt::{Result, Write as _};

use super::{
    Figures, GroupCounts, GroupFigures, GroupKey, Metric,
    group::Labelled,
    prometheus::{escape, head},
};

const QUANTILES: [(f64, &str); 4] = [(0.5, "0.5"), (0.9, "0.9"), (0.99, "0.99"), (0.999, "0.999")];

type Of<'f> = (&'f GroupKey, &'f GroupFigures);

impl Figures {
    /// Appends everything that is known of each service and subaccount.
    pub fn prometheus(&self, out: &mut String) {
        self.write_all(out).expect("writing to a String does not fail");
    }

    fn write_all(&self, out: &mut String) -> Result {
        let services: Vec<Of<'_>> = self.services().collect();
        let tenants: Vec<Of<'_>> = self.subaccounts().collect();
        // What was refused before a service was known is the tenant's.
        let both: Vec<Of<'_>> = services.iter().chain(&tenants).copied().collect();
        let opened = ("causeway_service_streams_opened_total", "Streams opened.");
        number(out, &services, opened, |figures| figures.counts.opened)?;
        let open = ("causeway_service_streams", "Streams open.");
        number(out, &services, open, |figures| figures.gauges.streams)?;
        write_bytes(out, &services)?;
        let refused = "CONNECT requests refused; without a service, before it was known.";
        let refused = ("causeway_service_refusals_total", "reason", refused);
        labelled(out, &both, refused, |counts| &counts.refused)?;
        let dials = ("causeway_service_dials_total", "result", "Dials that ended.");
        labelled(out, &services, dials, |counts| &counts.dials)?;
        for metric in Metric::OF_SERVICES {
            summary(out, &services, metric)?;
        }
        let opened = ("causeway_subaccount_tunnels_opened_total", "Tunnels that came up.");
        number(out, &tenants, opened, |figures| figures.counts.tunnels)?;
        let up = ("causeway_subaccount_tunnels", "Tunnels up.");
        number(out, &tenants, up, |figures| figures.gauges.tunnels)?;
        let credit = ("causeway_subaccount_credit_bytes", "Bytes that tunnels may be sent ahead.");
        number(out, &tenants, credit, |figures| figures.gauges.credit_bytes)
    }
}

fn labels(key: &GroupKey) -> String {
    let subaccount = escape(&key.subaccount);
    if key.is_service() {
        format!("subaccount=\"{subaccount}\",service=\"{}\"", escape(&key.service))
    } else {
        format!("subaccount=\"{subaccount}\"")
    }
}

fn number(
    out: &mut String,
    groups: &[Of<'_>],
    (name, help): (&str, &str),
    value: impl Fn(&GroupFigures) -> u64,
) -> Result {
    let kind = if name.ends_with("_total") { "counter" } else { "gauge" };
    head(out, name, kind, help)?;
    for (key, figures) in groups {
        writeln!(out, "{name}{{{}}} {}", labels(key), value(figures))?;
    }
    Ok(())
}

fn write_bytes(out: &mut String, services: &[Of<'_>]) -> Result {
    let name = "causeway_service_bytes_total";
    head(out, name, "counter", "Bytes between clients and the service.")?;
    for (key, figures) in services {
        let GroupCounts { bytes_up, bytes_down, .. } = &figures.counts;
        for (direction, bytes) in [("up", bytes_up), ("down", bytes_down)] {
            writeln!(out, "{name}{{{},direction=\"{direction}\"}} {bytes}", labels(key))?;
        }
    }
    Ok(())
}

fn labelled(
    out: &mut String,
    groups: &[Of<'_>],
    (name, label, help): (&str, &str, &str),
    counts: impl Fn(&GroupCounts) -> &Labelled,
) -> Result {
    head(out, name, "counter", help)?;
    for (key, figures) in groups {
        for (value, count) in counts(&figures.counts) {
            writeln!(out, "{name}{{{},{label}=\"{value}\"}} {count}", labels(key))?;
        }
    }
    Ok(())
}

fn summary(out: &mut String, services: &[Of<'_>], metric: Metric) -> Result {
    let name = format!("causeway_service_{}_duration_seconds", metric.name());
    head(out, &name, "summary", &format!("Duration of {}, by service.", metric.help()))?;
    for (key, figures) in services {
        let quantiles = QUANTILES.map(|(quantile, _)| quantile);
        let Some(digest) = figures.latency.digest(metric, quantiles) else { continue };
        let labels = labels(key);
        for ((_, quantile), value) in QUANTILES.iter().zip(digest.values) {
            let value = value as f64 / 1e9;
            writeln!(out, "{name}{{{labels},quantile=\"{quantile}\"}} {value}")?;
        }
        writeln!(out, "{name}_sum{{{labels}}} {}", digest.sum_ns as f64 / 1e9)?;
        writeln!(out, "{name}_count{{{labels}}} {}", digest.count)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::telemetry::Groups;

    #[test]
    fn what_came_to_a_service_and_its_tenant_is_shown_with_their_names() {
        let now = Instant::now();
        let (mut figures, mut groups) = (Figures::new(1), Groups::new(now));
        let group = groups.group("a \"b\"", "x", now);
        let stream = group.stream();
        group.forwarded(Metric::ForwardUp, 70, Duration::from_millis(2));
        group.dialled("ok");
        group.refused("tenant_limit");
        let tenant = groups.group("a \"b\"", "", now);
        let tunnel = tenant.tunnel(4096);
        tenant.refused("no_such_mapping");
        figures.take_in([(0, groups.take())], now);
        let mut text = String::new();
        figures.prometheus(&mut text);
        let of = "subaccount=\"a \\\"b\\\"\"";
        for line in [
            format!("causeway_service_streams_opened_total{{{of},service=\"x\"}} 1"),
            format!("causeway_service_streams{{{of},service=\"x\"}} 1"),
            format!("causeway_service_bytes_total{{{of},service=\"x\",direction=\"up\"}} 70"),
            format!("causeway_service_bytes_total{{{of},service=\"x\",direction=\"down\"}} 0"),
            format!("causeway_service_dials_total{{{of},service=\"x\",result=\"ok\"}} 1"),
            format!(
                "causeway_service_refusals_total{{{of},service=\"x\",reason=\"tenant_limit\"}} 1"
            ),
            format!("causeway_service_refusals_total{{{of},reason=\"no_such_mapping\"}} 1"),
            format!("causeway_service_forward_up_duration_seconds_count{{{of},service=\"x\"}} 1"),
            format!("causeway_subaccount_tunnels{{{of}}} 1"),
            format!("causeway_subaccount_tunnels_opened_total{{{of}}} 1"),
            format!("causeway_subaccount_credit_bytes{{{of}}} 4096"),
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(!text.contains("dial_duration_seconds_count{"), "nothing recorded, nothing shown");
        drop((stream, tunnel));
    }
}

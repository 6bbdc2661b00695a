//! The three metrics of the incumbent, by its names, so that dashboards and alerts made for it go
//! on working. What they stand for here is in `docs/metrics.md`.

use std::fmt::{Result, Write as _};

use super::{
    CountersSnapshot, Figures, Gauge,
    prometheus::{escape, head},
};

/// Appends them.
pub fn prometheus(figures: &Figures, counters: &CountersSnapshot, out: &mut String) {
    write(figures, counters, out).expect("writing to a String does not fail");
}

fn write(figures: &Figures, counters: &CountersSnapshot, out: &mut String) -> Result {
    let name = "connectivity_tunnel_opening_timeout_count_total";
    head(out, name, "counter", "Tunnels and streams that did not open in time.")?;
    for (key, of_tenant) in figures.subaccounts() {
        let id = escape(&key.subaccount);
        let count = of_tenant.counts.opening_timeouts;
        writeln!(out, "{name}{{tunnel_id=\"account:///{id}\"}} {count}")?;
    }
    let name = "connectivity_business_data_tunnels_count";
    head(out, name, "gauge", "Tunnels up.")?;
    writeln!(out, "{name} {}", counters.gauge(Gauge::Tunnels))?;
    let name = "connectivity_proxy_open_tunnel_call_health_status";
    head(out, name, "gauge", "Whether tunnels open: 0 when the last ones failed.")?;
    writeln!(out, "{name} {}", u8::from(counters.tunnels_open))
}

// What runs through the channels: streams, bytes, latencies, and what should worry somebody.

import { ask, everything, get, may } from "./api.js";
import { chart, hoursOf } from "./chart.js";
import { confirm } from "./dialog.js";
import { h } from "./dom.js";
import { button, duration, head, named, say, size, state, table, time } from "./parts.js";

let chosen = null;

export async function load() {
  const watch = may.seeMonitoring();
  const [all, usage, latency, connections, totals, alerts] = await Promise.all([
    everything(),
    get("/api/v1/usage?hours=24"),
    get("/api/v1/latency"),
    watch && get("/api/monitoring/connections/serviceChannels"),
    watch && get("/api/monitoring/usage"),
    watch && get("/api/monitoring/alerts"),
  ]);
  const channels = all.flatMap(({ one, channels }) =>
    channels.map((channel) => ({ one, channel })));
  return { channels, usage, latency, alerts, ports: watch && ports(connections, totals) };
}

/** Streams and bytes of each port, of two answers. */
function ports(connections, totals) {
  const owner = (one) => `${one.regionHost}/${one.subaccount}`;
  const found = new Map();
  const of = (one, port, type) => {
    const key = `${owner(one)}/${port}`;
    if (!found.has(key)) found.set(key, { key, one, port, type, streams: 0, received: 0, sent: 0 });
    return found.get(key);
  };
  for (const one of connections.subaccounts) {
    for (const { port, typeDesc, connections: open } of one.serviceChannelConnections) {
      of(one, port, typeDesc.typeName).streams += open;
    }
  }
  for (const one of totals.subaccounts) {
    for (const used of one.serviceChannelUsageStatistics) {
      const row = of(one, used.port, used.typeDesc.typeName);
      row.received += used.bytesReceived;
      row.sent += used.bytesSent;
    }
  }
  return { rows: [...found.values()], since: totals.sinceTime };
}

function reset(refresh) {
  confirm("Forget the bytes that were counted?", "Bars and totals begin at zero.", "Reset",
    async () => {
      await ask("DELETE", "/api/v1/usage");
      say("Counting begins again.");
      refresh();
    });
}

function streams({ rows, since }) {
  const columns = [
    ["Port", (row) => String(row.port)],
    ["Type", (row) => row.type],
    ["Subaccount", (row) => row.one.displayName || row.one.subaccount],
    ["Open Streams", (row) => h("span", { class: "count" }, String(row.streams))],
    ["Received", (row) => size(row.received)],
    ["Sent", (row) => size(row.sent)],
  ];
  return section("Open Streams per Port",
    since ? `Bytes since ${time(since)}, kept over restarts.` : null,
    table("Streams and Bytes", columns, rows, {
      key: (row) => row.key, empty: "No service channel yet.",
    }));
}

function hours({ usage, channels }, refresh) {
  const known = channels.some(({ channel }) => channel.id === chosen);
  const channel = known ? chosen : null;
  const options = [h("option", { value: "" }, "All service channels"), ...channels.map((row) =>
    h("option", { value: String(row.channel.id) },
      `${row.channel.port} ${row.channel.k8sService} (${named(row.one)})`))];
  const choice = h("select", {
    value: channel === null ? "" : String(channel),
    onchange: (event) => {
      chosen = event.target.value ? Number(event.target.value) : null;
      refresh();
    },
  }, options);
  const main = document.getElementById("main");
  const width = Math.max(300, Math.min(1120, main.clientWidth - 66));
  return section("Bytes per Hour", null,
    h("div", { class: "bar" }, h("label", null, h("span", null, "Service channel"), choice)),
    chart(hoursOf(usage, channel), width));
}

const NAMES = {
  tls_handshake: "TLS handshake", connect: "Opening a stream", dial: "Dialling the proxy",
  first_byte: "First byte of an answer", forward_up: "Forwarding to the service",
  forward_down: "Forwarding from the service", stream_lifetime: "A stream's lifetime",
  queue_wait: "Waiting for a worker", tunnel_rtt: "Round trip of a tunnel",
  write_stall: "A send that had to wait",
};

function latencies({ latency }) {
  const us = (name) => (row) => duration(row[name]);
  const columns = [
    ["What", (row) => NAMES[row.name] ?? row.name.replaceAll("_", " ")],
    ["Count", (row) => String(row.count)],
    ["p50", us("p50")], ["p90", us("p90")], ["p99", us("p99")], ["Max", us("max")],
  ];
  return section("Latency", null, table("Latency Percentiles", columns, latency, {
    key: (row) => row.name, empty: "Nothing was measured yet.",
  }));
}

function alerts(list) {
  if (list.length === 0) return null;
  const lines = list.map((one) => h("li", null, state("bad", one.type), " ", one.message,
    h("span", { class: "quiet" }, ` ${time(one.timestamp)}`)));
  return section("Alerts", null, h("ul", { class: "alerts" }, lines));
}

function section(title, note, ...inside) {
  return h("section", { key: title, "aria-label": title },
    h("h2", null, title), note && h("p", { class: "quiet" }, note), inside);
}

export function render(data, refresh) {
  return [
    head("Monitoring", "What runs through the service channels.",
      may.administer() && button("Reset", () => reset(refresh), { name: "reset" })),
    data.alerts && alerts(data.alerts.alerts),
    data.ports && streams(data.ports),
    hours(data, refresh),
    latencies(data.latency),
  ];
}

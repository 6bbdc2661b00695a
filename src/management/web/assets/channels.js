// Service channels: those of a subaccount, and all at a glance.

import { ask, at, channels as channelsOf, everything, may, subaccounts } from "./api.js";
import { add, edit, enable, exportAll, failed, importAll } from "./channel.js";
import { confirm } from "./dialog.js";
import { h } from "./dom.js";
import { act, button, byFile, head, host, named, state, table, time } from "./parts.js";

/** Which of the four states there are for people, and why. */
function standing(one, channel) {
  const why = channel.state?.problem ?? failed.get(channel.id);
  if (!channel.enabled) return why ? { word: "failed", why } : { word: "disabled" };
  if (one.tunnel?.state === "Disconnected") {
    return { word: "disconnected", why: "Its subaccount is disconnected." };
  }
  if (channel.state?.connected) return { word: "enabled", why };
  return why ? { word: "failed", why } : { word: "disconnected", why: "Connecting…" };
}

const WORDS = {
  enabled: ["good", "Enabled"],
  disabled: ["off", "Disabled"],
  disconnected: ["warn", "Disconnected"],
  failed: ["bad", "Enabling failed"],
};

function status({ one, channel }) {
  const { word, why } = standing(one, channel);
  const kind = word === "failed" ? "why" : "quiet";
  return [state(...WORDS[word]), why && h("p", { class: kind }, why)];
}

function details({ channel }) {
  return [
    h("b", null, channel.k8sService), byFile(channel),
    h("p", { class: "quiet" }, host(channel.k8sCluster)),
    channel.comment && h("p", { class: "quiet" }, channel.comment),
  ];
}

function since({ channel }) {
  const at = channel.state?.connectedSinceTimeStamp;
  return at ? time(at) : h("span", { class: "quiet" }, "–");
}

function port({ channel }) {
  const local = channel.localAddress;
  const elsewhere = local !== "127.0.0.1" && h("p", { class: "quiet" }, `on ${local}`);
  return [String(channel.port), elsewhere];
}

/** Columns that both views have. */
const STATUS = ["Status", status];
const PORT = ["Port", port];
const TYPE = ["Type", () => "Kubernetes Cluster"];
const CONNECTIONS = ["Connections", ({ channel }) =>
  h("span", { class: "count" },
    `${channel.state?.openedConnections ?? 0}/${channel.connections}`)];
const SINCE = ["Connected Since", since];
const DETAILS = ["Details", details];

/** What can be done with a channel, if anything. */
function actions({ one, channel }, others, refresh) {
  if (!may.change(one) || channel.managedBy === "file") return null;
  const of = `service channel ${channel.id}`;
  const where = at(one, "channels", "K8S", channel.id);
  const disable = () => act(
    () => ask("PUT", `${where}/state`, { enabled: false }), `${of} is disabled.`, refresh);
  const remove = () => confirm(
    `Delete service channel ${channel.id}?`,
    `Port ${channel.port} to ${channel.k8sService} is closed, and its streams end.`,
    "Delete",
    async () => {
      await ask("DELETE", where);
      failed.delete(channel.id);
      refresh();
    });
  return h("div", { class: "actions" },
    channel.enabled
      ? button("Disable", disable, { of, name: "disable" })
      : button("Enable", () => enabling(one, channel.id, refresh),
          { of, name: "enable", busy: busy.has(channel.id) }),
    button("Edit", () => edit(one, channel, others, refresh), { of, name: "edit" }),
    button("Delete", remove, { of, name: "delete", kind: "danger" }));
}

const busy = new Set();

/** Takes up to ten seconds; a second click does nothing. */
async function enabling(one, id, refresh) {
  if (busy.has(id)) return;
  busy.add(id);
  refresh();
  await enable(one, id);
  busy.delete(id);
  await refresh();
}

function link(one) {
  const names = [one.regionHost, one.subaccount].map(encodeURIComponent);
  return `#/channels/${names.join("/")}`;
}

const key = ({ channel }) => `channel-${channel.id}`;

// The subaccount that was looked at last, as `[regionHost, subaccount]`.
let last = [];

/** Service channels of the subaccount in the address; without one, of that looked at last. */
export const ofOne = {
  async load(asked) {
    const all = await subaccounts();
    if (asked.length === 2) last = asked;
    const [region, subaccount] = last;
    const is = (one) => one.regionHost === region && one.subaccount === subaccount;
    const one = all.find(is) ?? all[0];
    return { all, one, list: one ? await channelsOf(one) : [] };
  },

  render({ all, one, list }, refresh) {
    if (!one) {
      return [
        head("On-Premise to Cloud"),
        h("p", { class: "empty", key: "none" }, "There is no subaccount yet. ",
          may.configure() && h("a", { href: "#/subaccounts" }, "Add one")),
      ];
    }
    const change = may.change(one);
    const choice = h("select", {
      value: link(one), onchange: (event) => { location.hash = event.target.value; },
    }, all.map((other) =>
      h("option", { value: link(other) }, `${named(other)} (${other.regionHost})`)));
    const rows = list.map((channel) => ({ one, channel }));
    const columns = [STATUS, PORT, TYPE, CONNECTIONS, SINCE, DETAILS];
    if (change) columns.push(["Actions", (row) => actions(row, list, refresh)]);
    return [
      head("On-Premise to Cloud", "Service channels: local ports that lead to services.",
        change && button("Import", () => importAll(one, refresh), { name: "import" }),
        may.seeConfiguration() && button("Export", () => exportAll(one), { name: "export" }),
        change && button("Add", () => add(one, list, refresh), { kind: "main", name: "add" })),
      h("div", { class: "bar", key: "bar" },
        h("label", null, h("span", null, "Subaccount"), choice), tunnel(one), byFile(one)),
      table("Service Channels", columns, rows, {
        key, empty: change ? "No service channel yet. Add one and paste its endpoint."
          : "No service channel yet.",
      }),
    ];
  },
};

const TUNNELS = { Connected: "good", ConnectFailure: "bad", Disconnected: "off" };

/** How a subaccount is connected. */
export function tunnel(one) {
  const now = one.tunnel?.state ?? "Disconnected";
  return state(TUNNELS[now] ?? "warn", now === "ConnectFailure" ? "Connect failure" : now);
}

const FILTERS = { all: "All", enabled: "Enabled", disabled: "Disabled", failed: "Enabling failed" };
let filter = "all";

const fits = {
  all: () => true,
  enabled: ({ channel }) => channel.enabled,
  disabled: ({ channel }) => !channel.enabled,
  failed: ({ one, channel }) => standing(one, channel).word === "failed",
};

/** Service channels of all subaccounts. */
export const overview = {
  load: everything,

  render(all, refresh) {
    const rows = all.flatMap(({ one, channels }) => channels.map((channel) => ({ one, channel })));
    const chips = Object.entries(FILTERS).map(([name, text]) =>
      h("button", {
        type: "button", "aria-pressed": String(filter === name), "data-filter": name,
        onclick: () => {
          filter = name;
          refresh();
        },
      }, text, h("span", { class: "number" }, String(rows.filter(fits[name]).length))));
    const go = ["Subaccount", ({ one }) => [
      h("a", { href: link(one) }, named(one)), h("p", { class: "quiet" }, host(one.regionHost)),
    ]];
    const there = rows.map(({ channel }) => channel);
    const columns = [STATUS, PORT, TYPE, go, CONNECTIONS, DETAILS];
    if (may.configure()) columns.push(["Actions", (row) => actions(row, there, refresh)]);
    return [
      head("Service Channels Overview", "Those of all subaccounts."),
      h("div", { class: "chips", role: "group", "aria-label": "Filter", key: "chips" }, chips),
      table("All Service Channels", columns, rows.filter(fits[filter]), {
        key, empty: rows.length ? "None is in this state." : "No service channel yet.",
      }),
    ];
  },
};

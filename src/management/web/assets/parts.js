// Parts that several views are made of, and how numbers and times are written.

import { h } from "./dom.js";

/** The heading of a view, with what can be done beside it. */
export function head(title, note, ...actions) {
  return h("div", { class: "head", key: "head" },
    h("div", null, h("h1", { tabindex: "-1" }, title), note && h("p", { class: "quiet" }, note)),
    h("div", { class: "actions" }, actions));
}

/** Columns are `[title, cell]`; a cell is made of a row. Narrow screens show rows as cards. */
export function table(caption, columns, rows, { key, empty, plain = false }) {
  if (rows.length === 0) return h("p", { class: "empty", key: caption }, empty);
  const heads = columns.map(([title]) => h("th", { role: "columnheader", scope: "col" }, title));
  const line = (row) =>
    h("tr", { role: "row", key: key(row) },
      columns.map(([title, cell], i) => {
        const inside = cell(row);
        const attributes = { role: i ? "cell" : "rowheader", "data-label": title };
        if (i === 0) return h("th", { ...attributes, scope: "row" }, inside);
        return h("td", { ...attributes, class: title === "Actions" ? "do" : false }, inside);
      }));
  return h("div", { class: plain ? "frame plain" : "frame", key: caption },
    h("table", { role: "table" },
      h("caption", null, caption),
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads)),
      h("tbody", { role: "rowgroup" }, rows.map(line))));
}

/** A state in one word, with a colour that says the same. */
export function state(kind, word) {
  return h("span", { class: `state ${kind}` }, word);
}

export function button(label, onclick, { kind, of, name, busy } = {}) {
  return h("button", {
    type: "button", class: kind, onclick, "data-do": name, "aria-busy": busy ? "true" : null,
    "aria-label": of ? `${label} ${of}` : null,
  }, label);
}

/** Shows that the configuration file has it. */
export function byFile(one) {
  return one.managedBy === "file" &&
    h("span", { class: "tag", title: "Change it in the connector's configuration file" },
      "managed by file");
}

export function named(one) {
  return one.displayName || one.subaccount;
}

const pad = (number) => String(number).padStart(2, "0");

export function date(ms) {
  const at = new Date(ms);
  return `${at.getFullYear()}-${pad(at.getMonth() + 1)}-${pad(at.getDate())}`;
}

export function time(ms) {
  const at = new Date(ms);
  return `${date(ms)} ${pad(at.getHours())}:${pad(at.getMinutes())}:${pad(at.getSeconds())}`;
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

export function size(bytes) {
  let [value, unit] = [bytes, 0];
  while (value >= 1024 && unit < UNITS.length - 1) [value, unit] = [value / 1024, unit + 1];
  return `${unit && value < 100 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

/** Microseconds. */
export function duration(us) {
  if (us >= 1e6) return `${(us / 1e6).toFixed(2)} s`;
  return us >= 1000 ? `${(us / 1000).toFixed(us < 1e5 ? 2 : 0)} ms` : `${us} µs`;
}

const DAY = 24 * 3600 * 1000;
const SOON = 30;

/** How long a certificate is still good. */
export function validity(until) {
  if (!until) return h("span", { class: "quiet" }, "unknown");
  const left = Math.floor((until - Date.now()) / DAY);
  const days = left === 1 ? "1 day" : `${left} days`;
  if (until <= Date.now()) return state("bad", "ended");
  return left < SOON ? state("warn", `ends in ${days}`) : state("good", `ok, ${days}`);
}

/** Says something aloud for a while. */
export function say(text) {
  tell("say", text, 6000);
}

/** Says that something went wrong; stays until it is closed or something else is said. */
export function alarm(text) {
  tell("alert", text, 0);
}

/** A host, to be broken behind its dots. */
export function host(name) {
  const parts = name.split(/(?<=[.])/);
  return parts.map((part, i) => (i ? [h("wbr"), part] : part));
}

export function quiet() {
  document.getElementById("alert").replaceChildren();
}

/** Has the browser save something as a file. */
export function save(name, blob) {
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: name }).click();
  URL.revokeObjectURL(url);
}

let timer = 0;

function tell(id, text, for_ms) {
  const place = document.getElementById(id);
  const close = h("button", { type: "button", "aria-label": "Close the message" }, "×");
  close.addEventListener("click", () => place.replaceChildren());
  place.replaceChildren(h("p", null, text), for_ms ? "" : close);
  if (!for_ms) return;
  quiet();
  clearTimeout(timer);
  timer = setTimeout(() => place.replaceChildren(), for_ms);
}

/** Does something, then has the view look again; shows what went wrong. */
export async function act(work, done, refresh) {
  try {
    await work();
    say(done);
  } catch (failure) {
    alarm(failure.message);
  }
  await refresh();
}

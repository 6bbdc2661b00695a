// The log of changes: who did what, newest first.

import { get } from "./api.js";
import { h } from "./dom.js";
import { button, head, table, time } from "./parts.js";

const PATH = "/api/v1/changes";
const PAGE = 100;

// Ids behind which the pages begin that were turned over; none on the newest one.
const turned = [];

export function load() {
  const before = turned.at(-1);
  return get(before === undefined ? PATH : `${PATH}?before=${before}`);
}

export function render(list, refresh) {
  const columns = [
    ["Time", (one) => h("span", { class: "nowrap" }, time(one.timestamp))],
    ["Account", (one) => one.account],
    ["From", (one) => h("span", { class: "code" }, one.source)],
    ["What", (one) => one.what],
  ];
  const older = () => {
    turned.push(list.at(-1).id);
    return refresh();
  };
  const newer = () => {
    turned.pop();
    return refresh();
  };
  return [
    head("Log", "Every change, who made it, and from where.",
      turned.length > 0 && button("Newer", newer, { name: "newer" }),
      list.length === PAGE && button("Older", older, { name: "older" })),
    table(turned.length ? `Changes, page ${turned.length + 1}` : "Changes", columns, list, {
      key: (one) => `change-${one.id}`, empty: "Nothing was changed yet.",
    }),
  ];
}

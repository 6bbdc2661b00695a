// Bytes by the hour as bars, and the same as a table for those who do not see them.

import { h, s } from "./dom.js";
import { size } from "./parts.js";

const HOUR = 3600 * 1000;
const [LEFT, RIGHT, TOP, BOTTOM, HEIGHT] = [64, 20, 12, 26, 240];

/** The 24 hours up to `now`, of `channel` or of all where it is null. */
export function hoursOf(usage, channel) {
  const last = Math.floor(usage.now / HOUR) * HOUR;
  const hours = Array.from({ length: 24 }, (_, i) => (
    { hour: last - (23 - i) * HOUR, received: 0, sent: 0 }));
  for (const one of usage.hours) {
    const place = hours[23 - Math.round((last - one.hour) / HOUR)];
    if (!place || (channel !== null && one.channel !== channel)) continue;
    place.received += one.received;
    place.sent += one.sent;
  }
  return hours;
}

/** A round number of bytes that is at least as large, for the top of the axis. */
function ceiling(bytes) {
  let step = 1024;
  while (step * 1024 <= bytes) step *= 1024;
  const found = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024].find((n) => n * step >= bytes);
  return found * step;
}

function clock(ms) {
  return `${String(new Date(ms).getHours()).padStart(2, "0")}:00`;
}

export function chart(hours, width) {
  const most = ceiling(Math.max(1, ...hours.map((one) => one.received + one.sent)));
  const high = HEIGHT - TOP - BOTTOM;
  const step = (width - LEFT - RIGHT) / hours.length;
  const y = (bytes) => TOP + high * (1 - bytes / most);
  const lines = [0, 0.5, 1].map((part) => [
    s("line", { class: "line", x1: LEFT, x2: width - RIGHT, y1: y(most * part),
      y2: y(most * part) }),
    s("text", { class: "tick", x: LEFT - 8, y: y(most * part) + 4, "text-anchor": "end" },
      size(most * part)),
  ]);
  const bars = hours.map(({ hour, received, sent }, i) => {
    const x = LEFT + i * step + step * 0.15;
    const bar = (kind, from, bytes) => bytes > 0 && s("rect", {
      class: kind, x, width: step * 0.7, y: y(from + bytes),
      height: Math.max(1, (high * bytes) / most),
    });
    return s("g", null,
      s("title", null, `${clock(hour)}: received ${size(received)}, sent ${size(sent)}`),
      s("rect", { class: "whole", x: LEFT + i * step, y: TOP, width: step, height: high }),
      bar("received", 0, received), bar("sent", received, sent));
  });
  const every = width < 560 ? 6 : 3;
  const labels = hours.map(({ hour }, i) => i % every === every - 1 &&
    s("text", { class: "tick", x: LEFT + (i + 0.5) * step, y: HEIGHT - 8, "text-anchor": "middle" },
      clock(hour)));
  const [received, sent] = ["received", "sent"].map((kind) =>
    hours.reduce((sum, one) => sum + one[kind], 0));
  const label = `Bytes per hour in 24 hours: received ${size(received)}, sent ${size(sent)}`;
  return h("figure", null,
    h("figcaption", null,
      h("span", { class: "key received" }, `Received ${size(received)}`),
      h("span", { class: "key sent" }, `Sent ${size(sent)}`)),
    s("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "img",
      "aria-label": label }, lines, bars, labels),
    h("details", null, h("summary", null, "As a table"),
      h("div", { class: "frame plain" },
        h("table", null,
          h("caption", null, "Bytes per hour"),
          h("thead", null, h("tr", null,
            ["Hour", "Received", "Sent"].map((title) => h("th", { scope: "col" }, title)))),
          h("tbody", null, hours.map((one) => h("tr", null,
            h("th", { scope: "row" }, clock(one.hour)),
            h("td", null, size(one.received)), h("td", null, size(one.sent)))))))));
}

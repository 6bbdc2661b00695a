// What of a first paint is the browser's own: our page and one of a few words, each as the first
// page of a browser that was just started, in turns. Figures for people; nothing is judged.

import fs from "node:fs";
import https from "node:https";

import { Browser, until } from "./driver.mjs";
import { browser as other, given, output } from "./walk.mjs";

const WORDS = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Control</title>" +
  "<p>A few words.</p></html>\n";

/** Serves the few words over HTTPS, with the certificate that the connector shows; says where. */
async function control() {
  const { certificate, privateKey } = given.page;
  const pair = { cert: fs.readFileSync(certificate), key: fs.readFileSync(privateKey) };
  const server = https.createServer(pair, (request, response) => {
    const there = request.url === "/";
    response.writeHead(there ? 200 : 404, { "Content-Type": "text/html; charset=utf-8" });
    response.end(there ? WORDS : "");
  });
  await new Promise((then) => server.listen(0, "127.0.0.1", then));
  return { server, url: `https://127.0.0.1:${server.address().port}/` };
}

/** When, in ms, a browser that was just started has connected, has the document, and paints. */
async function first(url) {
  const browser = await Browser.start({ ...given, downloads: output });
  try {
    await browser.open(url);
    return await until("a paint", () => browser.run(() => {
      const [painted] = performance.getEntriesByName("first-contentful-paint");
      const [page] = performance.getEntriesByType("navigation");
      return painted && [page.connectEnd, page.responseEnd, painted.startTime].map(Math.round);
    }));
  } finally {
    await browser.stop();
  }
}

function told(name, runs) {
  const line = (i) => {
    const all = runs.map((run) => run[i]);
    const sorted = [...all].sort((a, b) => a - b);
    const [least, most] = [sorted[0], sorted.at(-1)];
    return `median ${sorted[sorted.length >> 1]} (${least} to ${most}): ${all.join(" ")}`;
  };
  ["connected", "document there", "first paint"].forEach((what, i) =>
    console.log(`measured ${name}, ${what}, ms: ${line(i)}`));
}

/** That many pairs. */
export async function paints(pairs) {
  // It looks again every two seconds.
  await other.open("about:blank");
  const { server, url } = await control();
  const runs = { "our page": [], "a few words": [] };
  const urls = { "our page": `${given.base}/`, "a few words": url };
  for (let pair = 0; pair < pairs; pair += 1) {
    const names = Object.keys(urls);
    for (const name of pair % 2 ? names.reverse() : names) {
      runs[name].push(await first(urls[name]));
    }
  }
  server.closeAllConnections();
  server.close();
  for (const [name, all] of Object.entries(runs)) told(`${name} in a browser just started`, all);
}

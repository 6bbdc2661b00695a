// Walks through the page of a connector as its operator does, in a real browser.
//
//   node tests/browser/page.mjs parameters.json
//
// It wants Node 18 or newer, `openssl`, Debian's `chromium` and `chromium-driver`, and no npm
// package but the file of axe-core. The parameters are one JSON object:
//
//   base         where the connector's admin server is, "https://127.0.0.1:8443"
//   setup        the set-up link it printed: base + "/#setup=<token>"; or only the token
//   regionHost   of the subaccount that is to be added, any name
//   subaccount   its id, the one its certificate names
//   certificate, privateKey, ca   paths of its PEM files
//   caKey        the key of that authority, which signs what the connector asks for
//   endpoint     what is pasted, "tcp://proxy.example.com:443/service"
//   port         a local port that is free
//   target       what is fetched through that port, "/test"
//   host         the Host header of that, "echoserver.test"
//   output       a directory for pictures and the export; is made
//   axe          path of axe-core's axe.min.js; without it that check is skipped, and said to be
//   chromedriver, chromium        their programs, where they are not found by name
//   paints       how often a first paint is measured beside that of a page of a few words
//   page         what that one is served with, paths: {"certificate", "privateKey"}
//
// The proxy behind the endpoint has to have the service, which answers the target with 200. The
// connector has to be at its first start. One line is printed for each check, `ok …`; the first
// that fails prints `FAILED` with what was seen and ends the program with 1. The last line of a
// good run is `N checks passed`, with how many were skipped.

import fs from "node:fs";
import path from "node:path";

import { added, forgotten, renewedByFile, renewedByRequest } from "./certificates.mjs";
import { fetchStatus, until } from "./driver.mjs";
import { accountCertificates, backup } from "./keeping.mjs";
import { paints } from "./paints.mjs";
import {
  LOOKER, PASSWORD, TAB, authority, browser, check, count, enter, fieldOf, fieldSays, fill, given,
  heading, inRow, look, output, paint, remove, row, rowSays, service, submit, visit,
} from "./walk.mjs";

async function setUp() {
  const token = given.setup.split("#setup=").pop();
  await browser.open(`${given.base}/#setup=${token}`);
  await heading("Set up this connector");
  await check("the token leaves the address bar", () =>
    until("no token", () => browser.run(() => !location.href.includes("setup"))));
  await paint("first load of a browser that was just started");
  await look("set-up");
  await browser.type("[name=user]", "admin");
  await browser.type("[name=password]", "short");
  await check("a short password is told as it is typed", () =>
    until("how many are left", async () => (await browser.text("main")).includes("7 to go")));
  await browser.type("[name=password]", PASSWORD);
  await browser.type("[name=again]", PASSWORD);
  await browser.click("form button[type=submit]");
  await check("the first account is made and logged in", () => heading("Subaccounts"));
}

async function session() {
  await browser.click("[data-do=log-out]");
  await heading("Log in");
  await look("log-in");
  await browser.type("[name=user]", "admin");
  await browser.type("[name=password]", `${PASSWORD}!`);
  await browser.click("form button[type=submit]");
  await check("a wrong password is said", () => until("the reason",
    async () => (await browser.text("main [role=alert]")).length > 10), /session .* 401/);
  await browser.type("[name=password]", PASSWORD);
  await browser.click("form button[type=submit]");
  await check("logging in", () => heading("Subaccounts"));
  await browser.reload();
  await check("the session outlives a reload", () => heading("Subaccounts"));
  await paint("reload");
  await browser.cdp("Network.clearBrowserCache");
  await browser.reload();
  await heading("Subaccounts");
  await paint("load with an empty cache");
  await browser.press(TAB);
  await check("the way past the navigation comes first", () => until("the link has the focus",
    () => browser.run(() => document.activeElement?.id === "skip" ||
      document.activeElement?.closest("main") !== null)));
}

async function subaccount() {
  await browser.click("[data-do=add]");
  await browser.type(fieldOf("regionHost"), given.regionHost);
  await browser.type(fieldOf("subaccount"), given.subaccount);
  await browser.choose('dialog input[aria-label^="Certificate (PEM)"]', given.certificate);
  await browser.paste(fieldOf("privateKey"), fs.readFileSync(given.privateKey, "utf8"));
  await browser.choose('dialog input[aria-label^="Authorities"]', given.ca);
  await until("the files are read", () => browser.run(() =>
    ["certificate", "privateKey", "ca"].every((name) =>
      document.querySelector(`dialog [name=${name}]`).value.includes("-----END"))));
  await look("subaccount-add");
  await submit();
  await check("a subaccount is added, by files and by pasting", () =>
    rowSays(given.subaccount, /Connected/));
  await look("subaccounts");
}

async function addChannel() {
  await browser.click(`//main//a[contains(@href, "${encodeURIComponent(given.subaccount)}")]`);
  await heading("On-Premise to Cloud");
  await look("channels-empty");
  await fill(70000, false);
  await check("a pasted endpoint is split", () => until("host and service", async () => {
    const value = (name) => browser.run((at) => document.querySelector(at).value, fieldOf(name));
    const seen = [await value("k8sCluster"), await value("k8sService")];
    if (seen.join(" ") !== `${authority} ${service}`) throw new Error(seen.join(" "));
    return true;
  }));
  await check("a wrong port is said beside it", () => until("the reason", async () =>
    (await browser.text(`.field:has([name=port]) .hint`)).includes("1 to 65535")));
  await look("channel-add-wrong");
  await browser.type(fieldOf("port"), String(given.port));
  await browser.click("dialog summary");
  await look("channel-add");
  await submit();
  await check("a channel is added and not enabled", () => rowSays(service, /Disabled[^]*0\/1/));
}

async function useChannel() {
  await browser.click(inRow(service, "enable"));
  await check("it is enabled and shows 1/1", () => rowSays(service, /Enabled[^]*1\/1/, 60_000));
  await check("a request goes through it", async () => {
    const status = await fetchStatus(given.port, given.target, given.host);
    if (status !== 200) throw new Error(`through the channel: ${status}`);
  });
  await look("channels");
  await check("focus and scroll outlive the refresh", keepsFocus);
  await browser.click(inRow(service, "edit"));
  await browser.type(fieldOf("comment"), "Orders of the plant");
  await submit();
  await check("it is changed while it is open", () =>
    rowSays("Orders of the plant", /Enabled[^]*1\/1/, 60_000));
}

async function keepsFocus() {
  const asked = () => performance.getEntriesByType("resource")
    .filter((one) => one.name.endsWith("/channels/K8S")).length;
  await browser.run(() => {
    window.held = document.querySelector("[data-do=edit]");
    window.held.focus();
  });
  const before = await browser.run(asked);
  await until("two refreshes", async () => (await browser.run(asked)) >= before + 3);
  const held = () => document.activeElement === window.held && window.held.isConnected;
  if (!(await browser.run(held))) throw new Error("the focus is elsewhere");
}

async function otherViews() {
  await visit("Service Channels Overview");
  await browser.click("[data-filter=enabled]");
  await check("the filter shows enabled ones", () => rowSays(service, /Enabled/));
  await look("overview");
  await browser.click("[data-filter=disabled]");
  await check("and no others", () => until("none", async () => (await row(service)) === ""));
  await browser.click("[data-filter=all]");
  await visit("Monitoring");
  await check("streams, bars and percentiles are shown", async () => {
    await until("the chart", () => browser.run(() => !!document.querySelector("figure svg")));
    await rowSays(String(given.port), /Kubernetes Cluster/);
  });
  await look("monitoring");
  await visit("Certificates");
  await check("its certificate is shown", () => rowSays(given.regionHost, /ok|ends in/));
  await look("certificates");
  await visit("Log");
  await check("the log tells who enabled it", () => rowSays("enabled channel", /admin/));
  await look("log");
  await visit("Accounts");
  await browser.click("[data-do=add]");
  await browser.type(fieldOf("user"), LOOKER);
  await browser.type(fieldOf("password"), PASSWORD);
  await submit();
  await check("an account is added", () => rowSays(LOOKER, /Display/));
  await look("accounts");
}

/** A second channel on the same port cannot be enabled. */
async function failing() {
  await visit("On-Premise to Cloud");
  await fill(given.port, true);
  await check("a port that is taken is told", () => until("the note", async () =>
    (await browser.text(`.field:has([name=port]) .hint`)).includes("has this port too")));
  await submit();
  await check("why it could not be enabled is at its row", () =>
    rowSays("Enabling failed", /Enabling failed[^]*port/), /state .*500/);
  await look("channels-failed");
  await remove("Enabling failed");
}

async function endChannel() {
  await browser.click(inRow(service, "disable"));
  await check("it is disabled", () => rowSays(service, /Disabled[^]*0\/1/));
  // By a name both of its addresses are tried, and the error holds one of each.
  const refused = (error) => [error, ...(error.errors ?? [])]
    .some((one) => one.code === "ECONNREFUSED");
  await check("its port is closed", () => until("refused", () =>
    fetchStatus(given.port, given.target, given.host).then(() => false, refused)));
  const file = path.join(output, `channels-${given.subaccount}.json`);
  fs.rmSync(file, { force: true });
  await browser.click("[data-do=export]");
  await check("an export is downloaded", () => until("the file", () =>
    JSON.parse(fs.readFileSync(file, "utf8")).channels[0].k8sService === service));
  await check("it is deleted", () => remove(service));
  await browser.click("[data-do=import]");
  await browser.choose('dialog input[type="file"]', file);
  await until("the file is read", async () => (await browser.text("dialog")).includes("1 service"));
  await look("channels-import");
  await submit();
  await check("it is imported", () => rowSays(service, /Disabled/));
  await check("and deleted", () => remove(service));
}

async function roles() {
  await enter(LOOKER);
  await heading("Subaccounts");
  await check("who only looks is offered no change", async () => {
    const offered = await browser.run(() => [...document.querySelectorAll("main button, nav a")]
      .map((one) => one.innerText));
    const wrong = offered.filter((one) => /add|delete|edit|renew|accounts|backup|log/i
      .test(one.replace("Subaccounts", "")));
    if (wrong.length > 0) throw new Error(`offered: ${wrong}`);
  });
  await enter("admin");
  await heading("Subaccounts");
  await browser.click('//button[text()="Password"]');
  await browser.type(fieldOf("old"), PASSWORD);
  await browser.type(fieldOf("password"), `${PASSWORD} again`);
  await browser.type(fieldOf("again"), `${PASSWORD} again`);
  await look("password");
  await submit();
  await check("the own password is changed, and the session goes on", () => visit("Log"));
  await visit("Subaccounts");
  await browser.run(() => {
    const choice = document.querySelector('select[aria-label="Colours"]');
    choice.value = "dark";
    choice.dispatchEvent(new Event("change", { bubbles: true }));
  });
  await browser.reload();
  await heading("Subaccounts");
  await check("colours that are chosen outlive a reload", () => until("dark", () =>
    browser.run(() => getComputedStyle(document.documentElement).colorScheme === "dark")));
  await check("the subaccount is deleted", () => remove(given.subaccount));
}

try {
  const steps = [
    setUp, session, subaccount, addChannel, useChannel, otherViews, accountCertificates, failing,
    endChannel, renewedByRequest, renewedByFile, added, forgotten, backup, roles,
  ];
  for (const step of steps) await step();
  if (given.paints) await paints(given.paints);
  if (!given.axe) {
    count.skipped += 1;
    console.log("skipped axe: its file is not given");
  }
  console.log(`${count.passed} checks passed, ${count.skipped} skipped`);
} catch (error) {
  console.log(`FAILED ${error.message}`);
  const seen = await browser.text("body").catch(() => "nothing");
  console.log(`the page shows: ${seen.replaceAll("\n", " | ").slice(0, 2000)}`);
  const picture = await browser.picture(false).catch(() => null);
  if (picture) fs.writeFileSync(path.join(output, "failed.png"), picture);
  console.log(`the console says: ${JSON.stringify(await browser.complaints().catch(() => []))}`);
  process.exitCode = 1;
} finally {
  await browser.stop();
}

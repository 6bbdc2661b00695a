// What the steps in a browser are made of: a browser, what is looked for in the page, and checks,
// each of which is one line that is printed.

import fs from "node:fs";
import path from "node:path";

import { Browser, until } from "./driver.mjs";

/** The parameters of the program. */
export const given = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const WIDTHS = [[1440, 900], [390, 844]];
export const PASSWORD = "seven quiet herons wade";
export const LOOKER = "visitor";
/** A subaccount beside the one of the parameters. */
export const SECOND = "second-plant";
export const TAB = "\uE004";

/** Where pictures and downloads go. */
export const output = path.resolve(given.output);
fs.mkdirSync(output, { recursive: true });
/** How many checks there were. */
export const count = { passed: 0, skipped: 0 };
export const browser = await Browser.start({ ...given, downloads: output });

function ok(what) {
  count.passed += 1;
  console.log(`ok ${what}`);
}

/** One check: does something, and says that it was right; nothing may be in the console. */
export async function check(what, work, expected = null) {
  await work();
  const said = await browser.complaints();
  const wrong = said.filter((one) => !expected?.test(one));
  if (wrong.length > 0) throw new Error(`${what}: the console says ${JSON.stringify(wrong)}`);
  ok(what);
}

export const heading = (text) =>
  until(`the heading ${text}`, async () => (await browser.text("main h1")) === text);

export async function visit(title) {
  await browser.click(`//nav//a[text()="${title}"]`);
  await heading(title);
  await until(`${title} is loaded`, () =>
    browser.run(() => document.getElementById("main").getAttribute("aria-busy") === "false"));
}

/** The row of a table by a word in it, as text; "" where there is none. */
export const row = (word) => browser.run((word) => {
  const rows = [...document.querySelectorAll("main tbody tr")];
  return rows.find((one) => one.innerText.includes(word))?.innerText ?? "";
}, word);

export const inRow = (word, name) =>
  `//main//tbody/tr[contains(., "${word}")]//button[@data-do="${name}"]`;

/** What a row comes to say. */
export const rowSays = (word, pattern, limit_ms) => until(`the row of ${word} says ${pattern}`,
  async () => {
    const text = await row(word);
    return pattern.test(text) || Promise.reject(new Error(text || "there is no such row"));
  }, limit_ms);

export const fieldOf = (name) => `dialog [name="${name}"]`;

/** What a field comes to say beside it. */
export const fieldSays = (name, pattern) => until(`${name} says ${pattern}`, async () => {
  const text = await browser.text(`dialog .field:has([name="${name}"]) .hint`);
  return pattern.test(text) || Promise.reject(new Error(text || "nothing"));
});

/** What is in a dialog is sent, and not taken: that is told at a field. */
export async function refused(name, pattern) {
  await browser.click("dialog button[type=submit]");
  await fieldSays(name, pattern);
}

export async function submit() {
  await browser.click("dialog button[type=submit]");
  await until("the dialog closes", async () => {
    const why = await browser.text("dialog .wrong");
    if (why) throw new Error(why);
    return browser.run(() => !document.querySelector("dialog"));
  });
}

/** Whether something is cut off or has to be scrolled sideways. */
const fits = () => document.documentElement.scrollWidth <= innerWidth &&
  [...document.querySelectorAll(".frame, figure, dialog, .card")]
    .every((one) => one.scrollWidth <= one.clientWidth);

/** Pictures of what is shown in both widths and colour schemes, each looked at by axe. */
export async function look(view) {
  for (const width of [1190, 890]) {
    await browser.dress(width, 900, "light");
    await until(`${view} fits into ${width} px`, () => browser.run(fits), 5000);
  }
  for (const [width, height] of WIDTHS) {
    for (const scheme of ["light", "dark"]) {
      await browser.dress(width, height, scheme);
      await until(`${view} fits into ${width} px`, () => browser.run(fits), 5000);
      // Colours move for a moment when a button changes.
      await until("nothing moves", () =>
        browser.run(() => document.getAnimations().every((one) => one.playState === "finished")));
      const dialog = await browser.run(() => Boolean(document.querySelector("dialog")));
      const name = `${view}-${scheme}-${width}.png`;
      fs.writeFileSync(path.join(output, name), await browser.picture(!dialog));
      await accessible(`${view}, ${scheme}, ${width} px`);
    }
  }
  await browser.dress(...WIDTHS[0], "light");
  await check(`${view}: four pictures, no console error`, () => {});
}

async function accessible(what) {
  if (!given.axe) return;
  if (!(await browser.run(() => "axe" in window))) {
    await browser.inject(fs.readFileSync(given.axe, "utf8"));
  }
  const found = await browser.wait(async () => {
    const { violations } = await window.axe.run(document, { preload: false });
    return violations.map(({ id, impact, help, nodes }) =>
      ({ id, impact, help, at: nodes.map((one) => [one.html, one.any[0]?.message]).slice(0, 4) }));
  });
  const grave = found.filter((one) => ["serious", "critical"].includes(one.impact));
  if (grave.length > 0) throw new Error(`axe on ${what}: ${JSON.stringify(grave, null, 1)}`);
  for (const one of found) console.log(`note axe on ${what}: ${one.impact} ${one.id}: ${one.help}`);
  ok(`axe on ${what}: nothing serious`);
}

/** Says when something was seen first, and what was transferred for it. */
export async function paint(what) {
  const seen = await until("a paint", () => browser.run(() => performance.getEntriesByType("paint")
    .map(({ name, startTime }) => `${name} ${startTime.toFixed(0)} ms`).join(", ")));
  const bytes = await browser.run(() => performance.getEntriesByType("resource")
    .filter(({ name }) => !name.includes("/api/"))
    .concat(performance.getEntriesByType("navigation"))
    .reduce((sum, one) => sum + one.transferSize, 0));
  console.log(`measured ${what}: ${seen}; ${bytes} bytes with headers`);
  if (bytes > 100 * 1024) throw new Error(`the page is ${bytes} bytes`);
}

export async function remove(word) {
  await browser.click(inRow(word, "delete"));
  await submit();
  await until(`${word} is gone`, async () => (await row(word)) === "");
}

export async function logIn(user, password) {
  await heading("Log in");
  await browser.type("[name=user]", user);
  await browser.type("[name=password]", password);
  await browser.click("form button[type=submit]");
}

/** Somebody else is there now. */
export async function enter(user) {
  await browser.click("[data-do=log-out]");
  await logIn(user, PASSWORD);
}

/** Opens the dialog of a new channel to the endpoint of the parameters, and fills it in. */
export async function fill(port, enabled) {
  await browser.click("[data-do=add]");
  await browser.paste(fieldOf("k8sCluster"), given.endpoint);
  await browser.type(fieldOf("port"), String(port));
  const now = await browser.run(() => document.querySelector("dialog [name=enabled]").checked);
  if (now !== enabled) await browser.click(fieldOf("enabled"));
}

export const [, authority, service] = /^(?:[^:]+:\/\/)?([^/]+)\/(.+)$/.exec(given.endpoint);

// A browser, driven by chromedriver over WebDriver (W3C) by plain fetch. What WebDriver does not
// have, such as the colour scheme, is set over the browser's own protocol.

import { spawn } from "node:child_process";
import http from "node:http";

const ELEMENT = "element-6066-11e4-a52e-4f735466cecf";
const POLL_MS = 40;

/** Looks until `probe` says something true, and says that; fails in words after `limit_ms`. */
export async function until(what, probe, limit_ms = 20_000) {
  const end = Date.now() + limit_ms;
  let last;
  for (;;) {
    try {
      last = await probe();
      if (last) return last;
    } catch (error) {
      last = error.message;
    }
    if (Date.now() > end) {
      throw new Error(`${what}: not within ${limit_ms} ms; last seen: ${JSON.stringify(last)}`);
    }
    await new Promise((then) => setTimeout(then, POLL_MS));
  }
}

/** Fetches from a local port, on a connection of its own; says the status. */
export function fetchStatus(port, path = "/", host = "localhost") {
  return new Promise((then, fail) => {
    const of = { host: "localhost", port, path, agent: false, timeout: 10_000 };
    http.get({ ...of, headers: { Host: host } }, (answer) => {
      answer.resume();
      answer.on("end", () => then(answer.statusCode));
    }).on("error", fail);
  });
}

// None outlives us.
const children = new Set();
process.on("exit", () => children.forEach((child) => child.kill()));

export class Browser {
  /** Starts chromedriver on a port of its choice, and a browser without a window. */
  static async start({ chromedriver = "chromedriver", chromium, downloads }) {
    const child = spawn(chromedriver, ["--port=0"], { stdio: ["ignore", "pipe", "inherit"] });
    children.add(child);
    const port = await new Promise((then, fail) => {
      let said = "";
      child.on("error", fail);
      child.on("exit", (code) => fail(new Error(`${chromedriver} ended with ${code}: ${said}`)));
      child.stdout.on("data", (data) => {
        said += data;
        const found = /started successfully on port (\d+)/.exec(said);
        if (found) then(Number(found[1]));
      });
    });
    const browser = new Browser();
    browser.child = child;
    browser.root = `http://127.0.0.1:${port}`;
    const args = [
      "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
      "--no-first-run", "--disable-background-networking", "--disable-component-update",
      "--disable-extensions", "--hide-scrollbars", "--window-size=1440,900", "--lang=en",
    ];
    const options = { args, ...(chromium && { binary: chromium }) };
    const alwaysMatch = {
      browserName: "chrome",
      // The connector signed its certificate itself.
      acceptInsecureCerts: true,
      "goog:chromeOptions": options,
      "goog:loggingPrefs": { browser: "ALL" },
    };
    const { sessionId } = await browser.send("POST", "/session", { capabilities: { alwaysMatch } });
    browser.session = `/session/${sessionId}`;
    await browser.cdp("Browser.setDownloadBehavior", {
      behavior: "allow", downloadPath: downloads,
    });
    return browser;
  }

  async stop() {
    await this.send("DELETE", this.session).catch(() => {});
    this.child.kill();
    children.delete(this.child);
  }

  async send(method, path, body) {
    const response = await fetch(this.root + path, {
      method,
      body: method === "POST" ? JSON.stringify(body ?? {}) : undefined,
      headers: { "Content-Type": "application/json" },
    });
    const { value } = await response.json();
    if (!response.ok) throw new Error(`${value.error}: ${value.message.split("\n")[0]}`);
    return value;
  }

  post(path, body) {
    return this.send("POST", this.session + path, body);
  }

  cdp(cmd, params = {}) {
    return this.post("/goog/cdp/execute", { cmd, params });
  }

  open(url) {
    return this.post("/url", { url });
  }

  reload() {
    return this.post("/refresh");
  }

  /** Runs a function in the page. */
  run(script, ...args) {
    return this.post("/execute/sync", { script: `return (${script})(...arguments)`, args });
  }

  /** Runs a function in the page that says a promise. */
  async wait(script, ...args) {
    const whole = `const done = arguments[arguments.length - 1];
      (${script})(...[...arguments].slice(0, -1)).then(done, (e) => done({ failed: String(e) }));`;
    const said = await this.post("/execute/async", { script: whole, args });
    if (said?.failed) throw new Error(said.failed);
    return said;
  }

  /** Runs a text in the page, as its author wrote it. */
  inject(script) {
    return this.post("/execute/sync", { script, args: [] });
  }

  /** The element at a CSS selector, or at an XPath that begins with `/`. */
  async element(at) {
    const using = at.startsWith("/") ? "xpath" : "css selector";
    return (await this.post("/element", { using, value: at }))[ELEMENT];
  }

  click(at) {
    return until(`click ${at}`, async () => {
      const element = await this.element(at);
      // WebDriver leaves it where something may be above it.
      await this.run((one) => one.scrollIntoView({ block: "nearest" }), { [ELEMENT]: element });
      await this.post(`/element/${element}/click`);
      return true;
    });
  }

  /** Types into a field in place of what is there. */
  type(at, text) {
    return until(`type into ${at}`, async () => {
      const element = await this.element(at);
      await this.post(`/element/${element}/clear`);
      await this.post(`/element/${element}/value`, { text });
      return true;
    });
  }

  /** Puts a text in at once, as pasting does. */
  async paste(at, text) {
    await this.click(at);
    await this.cdp("Input.insertText", { text });
  }

  /** Chooses a file. */
  async choose(at, path) {
    const element = await until(`find ${at}`, () => this.element(at));
    await this.post(`/element/${element}/value`, { text: path });
  }

  async press(key) {
    const actions = [{ type: "keyDown", value: key }, { type: "keyUp", value: key }];
    await this.post("/actions", { actions: [{ type: "key", id: "keys", actions }] });
  }

  /** The text that is shown at a place; "" where nothing is. */
  text(at) {
    return this.run((at) => document.querySelector(at)?.innerText ?? "", at);
  }

  /** What the console said since the last call and should not have. */
  async complaints() {
    const entries = await this.post("/se/log", { type: "browser" });
    return entries.filter((one) => one.level === "SEVERE").map((one) => one.message);
  }

  /** Shows the page in a width and a colour scheme. */
  async dress(width, height, scheme) {
    await this.cdp("Emulation.setDeviceMetricsOverride", {
      width, height, deviceScaleFactor: 1, mobile: false,
    });
    await this.cdp("Emulation.setEmulatedMedia", {
      features: [{ name: "prefers-color-scheme", value: scheme }],
    });
    const dressed = (width, scheme) =>
      innerWidth === width && matchMedia(`(prefers-color-scheme: ${scheme})`).matches;
    await until(`${width} px, ${scheme}`, () => this.run(dressed, width, scheme));
  }

  /** A picture as PNG, of what is seen, or of the page down to a height nobody looks behind. */
  async picture(whole) {
    const clip = whole && await this.run(() => ({
      x: 0, y: 0, width: innerWidth, scale: 1,
      height: Math.min(3000, document.documentElement.scrollHeight),
    }));
    const { data } = await this.cdp("Page.captureScreenshot", {
      format: "png", ...(clip && { clip, captureBeyondViewport: true }),
    });
    return Buffer.from(data, "base64");
  }
}

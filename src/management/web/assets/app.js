// Which view is shown, and that what it shows is true: it looks again every two seconds.

import { account, get, logOut, may, onOver, resume } from "./api.js";
import { h, show } from "./dom.js";
import { changePassword, logInView, setUpView } from "./enter.js";
import { alarm, quiet, say } from "./parts.js";
import * as accounts from "./accounts.js";
import * as backup from "./backup.js";
import * as certificates from "./certificates.js";
import * as channels from "./channels.js";
import * as log from "./log.js";
import * as monitoring from "./monitoring.js";
import * as subaccounts from "./subaccounts.js";

const REFRESH_MS = 2000;
// A page that nobody uses does not keep its session alive, where that could change something.
const IDLE_MS = 15 * 60 * 1000;

/** Views by the first part of their address: title, who sees them, and `load` and `render`. */
const VIEWS = {
  subaccounts: ["Subaccounts", may.seeConfiguration, subaccounts],
  channels: ["On-Premise to Cloud", () => true, channels.ofOne],
  overview: ["Service Channels Overview", () => true, channels.overview],
  monitoring: ["Monitoring", may.seeUsage, monitoring],
  certificates: ["Certificates", () => true, certificates],
  accounts: ["Accounts", may.administer, accounts],
  backup: ["Backup", may.administer, backup],
  log: ["Log", may.administer, log],
};

const main = document.getElementById("main");
const nav = document.getElementById("nav");
const me = document.getElementById("me");
let used = Date.now();
let turn = 0;
let timer = 0;

/** The view of the address, and what follows in it. */
function place() {
  const [name, ...rest] = location.hash.slice(1).replace(/^\//, "").split("/");
  const seen = Object.keys(VIEWS).filter((one) => VIEWS[one][1]());
  return { name: seen.includes(name) ? name : seen[0], rest: rest.map(decodeURIComponent) };
}

async function refresh() {
  clearTimeout(timer);
  const mine = ++turn;
  const { name, rest } = place();
  const view = VIEWS[name][2];
  try {
    const data = await view.load(rest);
    // Somebody went on to another view meanwhile, or looked again.
    if (mine !== turn || !account) return;
    show(main, view.render(data, refresh));
    main.dataset.view = name;
    main.setAttribute("aria-busy", "false");
    if (main.dataset.lost) quiet();
    delete main.dataset.lost;
  } catch (failure) {
    if (mine !== turn || !account) return;
    if (main.dataset.view !== name) show(main, h("h1", { tabindex: "-1" }, VIEWS[name][0]));
    main.dataset.view = name;
    main.setAttribute("aria-busy", "false");
    if (main.dataset.lost !== failure.message) alarm(failure.message);
    main.dataset.lost = failure.message;
  }
  timer = setTimeout(again, REFRESH_MS);
}

function again() {
  const idle = may.configure() && Date.now() - used > IDLE_MS;
  if (account && document.visibilityState === "visible" && !idle) refresh();
}

async function go() {
  if (!account) return;
  const { name } = place();
  quiet();
  frame(name);
  document.title = `${VIEWS[name][0]} · Causeway`;
  main.setAttribute("aria-busy", "true");
  await refresh();
  main.querySelector("h1")?.focus({ preventScroll: true });
  scrollTo(0, 0);
}

/** What is around the view. */
function frame(current) {
  const link = ([name, [title]]) =>
    h("a", { href: `#/${name}`, key: name, "aria-current": name === current ? "page" : null },
      title);
  const shown = Object.entries(VIEWS).filter(([, [, seen]]) => account && seen());
  show(nav, shown.map(link));
  nav.hidden = !account;
  document.body.classList.toggle("alone", !account);
  const theme = h("select", { "aria-label": "Colours", onchange: chooseTheme, value: chosen() },
    [["", "System colours"], ["light", "Light"], ["dark", "Dark"]].map(([value, text]) =>
      h("option", { value }, text)));
  show(me, ...(account ? [
    h("p", null, h("b", null, account.user), h("span", { class: "quiet" }, account.role)),
    h("button", { type: "button", onclick: () => changePassword(say) }, "Password"),
    h("button", { type: "button", onclick: leave, "data-do": "log-out" }, "Log out"),
  ] : []), theme);
}

const THEME = "causeway.theme";

function chosen() {
  return localStorage.getItem(THEME) ?? "";
}

function chooseTheme(event) {
  localStorage.setItem(THEME, event.target.value);
  wear();
}

function wear() {
  document.documentElement.dataset.theme = chosen();
}

async function leave() {
  try {
    await logOut();
  } catch (failure) {
    alarm(failure.message);
  }
  // Whoever comes next begins at the beginning.
  history.replaceState(null, "", "#/");
  enter();
}

/** Asks who is there. */
function enter(message) {
  turn += 1;
  clearTimeout(timer);
  document.querySelectorAll("dialog").forEach((dialog) => dialog.close());
  frame(null);
  document.title = "Log in · Causeway";
  main.dataset.view = "enter";
  show(main, logInView(inside, message));
  main.querySelector("input").focus();
}

function inside() {
  used = Date.now();
  get("/api/v1/connector/version").then(
    ({ causeway }) => { document.getElementById("version").textContent = causeway; },
    () => {},
  );
  if (!VIEWS[location.hash.slice(2).split("/")[0]]) history.replaceState(null, "", "#/");
  return go();
}

async function begin() {
  wear();
  const token = /^#setup=(.+)$/.exec(location.hash)?.[1];
  if (token) {
    // Neither history nor a shoulder is to see it.
    history.replaceState(null, "", location.pathname);
    frame(null);
    document.title = "Set up · Causeway";
    main.dataset.view = "enter";
    show(main, setUpView(decodeURIComponent(token), inside, enter));
    main.querySelector("input").focus();
    return;
  }
  try {
    await (await resume() ? inside() : enter());
  } catch (failure) {
    enter(failure.message);
  }
}

onOver(enter);
addEventListener("hashchange", () => (location.hash.startsWith("#setup=") ? begin() : go()));
document.addEventListener("visibilitychange", again);
// A chart is as wide as there is room for it.
let settled = 0;
addEventListener("resize", () => {
  clearTimeout(settled);
  settled = setTimeout(again, 150);
});
for (const kind of ["pointerdown", "keydown", "wheel"]) {
  addEventListener(kind, () => {
    const was = used;
    used = Date.now();
    if (used - was > IDLE_MS) again();
  }, { passive: true });
}
// The address is the view's, so that it does not change.
document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
begin();

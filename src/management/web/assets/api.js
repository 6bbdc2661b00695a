// Asks the connector, and who is logged in. The token of the session is in memory only.

/** An answer that is none. `message` is for people. */
export class Failure extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Whoever is logged in: `user` and `role`; `null` while nobody is. */
export let account = null;
let token = null;
let whenOver = () => {};

/** Calls `then` when the session has ended by itself. */
export function onOver(then) {
  whenOver = then;
}

// Enabling takes up to ten seconds; of what has no large body nothing takes longer.
const PATIENCE_MS = 30_000;

/**
 * Asks; says body and headers of the answer. A body that is an object is sent as JSON, a form as a
 * form; an answer that is a file comes as a blob.
 */
export async function ask(method, path, body, patience_ms = PATIENCE_MS) {
  const headers = { Accept: "application/json" };
  const form = body instanceof FormData;
  if (body !== undefined && !form) headers["Content-Type"] = "application/json";
  if (token && method !== "GET") headers["X-CSRF-Token"] = token;
  let response;
  let read;
  try {
    const sent = body === undefined || form ? body : JSON.stringify(body);
    const signal = AbortSignal.timeout(patience_ms);
    response = await fetch(path, { method, headers, body: sent, cache: "no-store", signal });
    read = await response.blob();
  } catch {
    throw new Failure(0, "The connector does not answer.");
  }
  const kind = response.headers.get("content-type") ?? "";
  let said = kind.startsWith("application/octet-stream") ? read : null;
  try {
    if (kind.startsWith("application/json") && read.size) said = JSON.parse(await read.text());
  } catch {
    throw new Failure(response.status, "The connector's answer cannot be read.");
  }
  if (response.ok) return { said, headers: response.headers };
  const over = response.status === 401 && account;
  const message = said?.message ?? `The connector answers ${response.status}.`;
  if (over) {
    forget();
    whenOver(message);
  }
  throw new Failure(response.status, message);
}

/** What is at a path. */
export async function get(path) {
  return (await ask("GET", path)).said;
}

// Says whether it is worth asking for a session; nothing of the session itself.
const HINT = "causeway.session";

function keep(said) {
  account = { user: said.user, role: said.role };
  token = said.csrfToken;
  localStorage.setItem(HINT, "1");
}

function forget() {
  account = null;
  token = null;
  localStorage.removeItem(HINT);
}

/** The connector has ended the session, as was to be expected. */
export function end() {
  forget();
  whenOver();
}

/** Goes on with the session there is. Says whether there is one. */
export async function resume() {
  if (!localStorage.getItem(HINT)) return false;
  try {
    keep(await get("/api/v1/session"));
    return true;
  } catch (failure) {
    if (failure.status !== 401) throw failure;
    forget();
    return false;
  }
}

export async function logIn(user, password) {
  keep((await ask("POST", "/api/v1/session", { user, password })).said);
}

export async function logOut() {
  try {
    await ask("DELETE", "/api/v1/session");
  } finally {
    forget();
  }
}

const ADMINISTRATOR = "Administrator";
const OF_SUBACCOUNTS = "Subaccount Administrator";
export const ROLES = [ADMINISTRATOR, OF_SUBACCOUNTS, "Display", "Monitoring"];

/** What the role of whoever is logged in may do. */
export const may = {
  administer: () => account?.role === ADMINISTRATOR,
  configure: () => [ADMINISTRATOR, OF_SUBACCOUNTS].includes(account?.role),
  seeConfiguration: () => account !== null && account.role !== "Monitoring",
  seeMonitoring: () => [ADMINISTRATOR, "Monitoring"].includes(account?.role),
  seeUsage: () => account !== null && account.role !== OF_SUBACCOUNTS,
  /** Change this subaccount and its channels. */
  change: (one) =>
    one.managedBy !== "file" && (may.administer() || (may.configure() && !one.isManaged)),
};

const BASE = "/api/v1/configuration/subaccounts";

/** Where a subaccount is. */
export function at(one, ...rest) {
  const names = [one.regionHost, one.subaccount, ...rest];
  return [BASE, ...names.map((name) => encodeURIComponent(name))].join("/");
}

/** Every subaccount, as far as it may be seen. */
export async function subaccounts() {
  if (!may.seeConfiguration()) return (await get("/api/monitoring/subaccounts")).subaccounts;
  const list = await get(BASE);
  const whole = await Promise.all(list.map((one) => get(at(one)).catch(gone)));
  return whole.map((one, i) => one && { ...list[i], ...one }).filter(Boolean);
}

/** The channels of a subaccount. */
export function channels(one) {
  return get(at(one, "channels", "K8S"));
}

/** Every subaccount with its channels. */
export async function everything() {
  const all = await subaccounts();
  const lists = await Promise.all(all.map((one) => channels(one).catch(gone)));
  return all.map((one, i) => ({ one, channels: lists[i] ?? [] }));
}

/** Somebody else may have deleted it meanwhile. */
function gone(failure) {
  if (failure.status === 404) return null;
  throw failure;
}

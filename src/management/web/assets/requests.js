// Requests for certificates. Their keys wait at the connector, which tells nobody which there are;
// so a browser remembers those that it made. Nothing of them is secret.

import { ask } from "./api.js";

const KEPT = "causeway.requests";
// The connector keeps as many keys.
const REQUESTS_MAX = 64;

/** Those that wait for a certificate, newest first. */
export function open() {
  try {
    const all = JSON.parse(localStorage.getItem(KEPT) ?? "[]");
    return Array.isArray(all) ? all : [];
  } catch {
    return [];
  }
}

function keep(all) {
  localStorage.setItem(KEPT, JSON.stringify(all.slice(0, REQUESTS_MAX)));
}

/** Asks for a certificate: `id`, `csr`, whose it is, and when it was `made`. */
export async function make({ regionHost, subaccount }) {
  const owner = { regionHost, subaccount };
  const { said } = await ask("POST", "/api/v1/configuration/certificateRequests", owner);
  const one = { ...said, ...owner, made: Date.now() };
  keep([one, ...open().filter(({ id }) => id !== one.id)]);
  return one;
}

/** Remembers it no more. */
export function forget(id) {
  keep(open().filter((one) => one.id !== id));
}

/** The file it is sent to an authority as. */
export function file({ subaccount, csr }) {
  return [`${subaccount}.csr`, new Blob([csr], { type: "application/pkcs10" })];
}

// Certificates by the two ways in which no key is pasted: asked for by the connector and signed by
// an authority, here openssl with that of the tests, and PKCS #12 files.

import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import fs from "node:fs";
import path from "node:path";

import { fetchStatus, until } from "./driver.mjs";
import {
  SECOND, TAB, browser, check, fieldOf, fieldSays, fill, given, heading, inRow, look, output,
  refused, remove, row, rowSays, service, submit, visit,
} from "./walk.mjs";

const ENTER = "\uE007";
const DOWN = "\uE015";
const SECRET = "Zwölf Boxkämpfer";

const openssl = (...words) => execFileSync("openssl", words, { encoding: "utf8" });

/** Files of openssl, which nobody looks at afterwards. */
const work = path.join(output, "openssl");
fs.mkdirSync(work, { recursive: true });
const file = (name) => path.join(work, name);

/** Signs a request as an authority does, which copies its extensions; says the certificate. */
function sign(csr, days) {
  fs.writeFileSync(file("request.pem"), csr);
  return openssl("x509", "-req", "-in", file("request.pem"), "-CA", given.ca, "-CAkey",
    given.caKey, "-days", String(days), "-copy_extensions", "copy");
}

/** A PKCS #12 file with a certificate, its key and its authority; says where. */
function pkcs12(certificate, privateKey) {
  openssl("pkcs12", "-export", "-in", certificate, "-inkey", privateKey, "-certfile", given.ca,
    "-passout", `pass:${SECRET}`, "-out", file("all.p12"));
  return file("all.p12");
}

const choose = (source) => browser.click(`dialog [name=source] option[value=${source}]`);
const asked = () => browser.run((at) => document.querySelector(at).value, fieldOf("csr"));
const made = () => until("a request", async () => {
  const csr = await asked();
  return csr.includes("-----END CERTIFICATE REQUEST-----") && csr;
});
const number = () => browser.run((at) => document.querySelector(at).value,
  fieldOf("certificateRequest"));

/** Goes on by the tabulator until something has the focus. */
async function tabTo(at) {
  for (let step = 0; step < 30; step += 1) {
    if (await browser.run((at) => document.activeElement.matches(at), at)) return;
    await browser.press(TAB);
  }
  throw new Error(`the tabulator does not lead to ${at}`);
}

/** Asks for a certificate with the keyboard alone, and takes the request along. */
async function byKeyboard() {
  await browser.press(DOWN);
  await until("another way is chosen", () => browser.run((at) =>
    document.querySelector(at).value === "request", fieldOf("source")));
  await tabTo("[data-do=make-request]");
  await browser.press(ENTER);
  const csr = await made();
  await tabTo("[data-do=copy]");
  await browser.press(ENTER);
  await fieldSays("csr", /It is copied/);
  const copied = await browser.wait(() => navigator.clipboard.readText());
  if (copied.trim() !== csr.trim()) throw new Error(`copied: ${copied}`);
  await tabTo("[data-do=download-request]");
  const saved = path.join(output, `${given.subaccount}.csr`);
  fs.rmSync(saved, { force: true });
  await browser.press(ENTER);
  await until("the file", () => fs.readFileSync(saved, "utf8").trim() === csr.trim());
  await tabTo(fieldOf("certificateRequest"));
}

/** A subaccount gets a certificate that was asked for, and its channels open by it. */
export async function renewedByRequest() {
  await browser.cdp("Browser.grantPermissions", {
    origin: given.base, permissions: ["clipboardReadWrite", "clipboardSanitizedWrite"],
  });
  await visit("Subaccounts");
  await browser.click(inRow(given.subaccount, "renew"));
  await check("a certificate is asked for by the keyboard alone", byKeyboard);
  await look("renew-request");
  const [csr, id] = [await asked(), await number()];
  await browser.click("dialog .cancel");
  await browser.reload();
  await heading("Subaccounts");
  await check("the request waits in the list", () => rowSays(`Request ${id}`, /Enter Certificate/));
  await look("requests");
  await browser.click(inRow(`Request ${id}`, "answer"));
  await browser.paste(fieldOf("certificate"), sign(csr, 300));
  await browser.type(fieldOf("certificateRequest"), "99");
  await check("a request that is not there is told at its field", async () => {
    await refused("certificateRequest", /there is no request 99/);
    const focused = (at) => document.activeElement === document.querySelector(at);
    if (!(await browser.run(focused, fieldOf("certificateRequest")))) {
      throw new Error("the focus is elsewhere");
    }
  }, /validity .*400/);
  await browser.type(fieldOf("certificateRequest"), id);
  await submit();
  await check("the signed certificate is the one it has", () =>
    rowSays(given.subaccount, /ok, 299 days/));
  await check("the request is used up", () => until("no request", async () =>
    (await row(`Request ${id}`)) === ""));
  await browser.click(`//main//a[contains(@href, "${encodeURIComponent(given.subaccount)}")]`);
  await heading("On-Premise to Cloud");
  await fill(given.port, true);
  await submit();
  await check("its channel opens by that certificate", async () => {
    await rowSays(service, /Enabled[^]*1\/1/, 60_000);
    const status = await fetchStatus(given.port, given.target, given.host);
    if (status !== 200) throw new Error(`through the channel: ${status}`);
  });
  await remove(service);
}

/** And another one from a file. */
export async function renewedByFile() {
  await visit("Subaccounts");
  await browser.click(inRow(given.subaccount, "renew"));
  await choose("pkcs12");
  await browser.click("dialog button[type=submit]");
  await check("a file that is missing is told", () => fieldSays("pkcs12", /Choose a file/));
  await browser.choose(fieldOf("pkcs12"), pkcs12(given.certificate, given.privateKey));
  await browser.type(fieldOf("pkcs12Password"), "another");
  await check("a wrong password is told", () => refused("pkcs12", /password is not the one/),
    /validity .*400/);
  await look("renew-file");
  await browser.type(fieldOf("pkcs12Password"), SECRET);
  await submit();
  const { validTo } = new X509Certificate(fs.readFileSync(given.certificate));
  const days = Math.floor((Date.parse(validTo) - Date.now()) / 86_400_000);
  await check("the certificate of the file is the one it has", () =>
    rowSays(given.subaccount, new RegExp(`\\b${days} days?\\b`)));
}

async function begin() {
  await browser.click("[data-do=add]");
  await browser.type(fieldOf("regionHost"), given.regionHost);
  await browser.type(fieldOf("subaccount"), SECOND);
}

/** A second subaccount is made in both ways; it stays. */
export async function added() {
  await visit("Subaccounts");
  await browser.click("[data-do=add]");
  await choose("request");
  await browser.click("[data-do=make-request]");
  await check("a request has to be for somebody", () => fieldSays("regionHost", /missing/));
  await browser.click("dialog .cancel");
  await begin();
  await choose("request");
  await browser.click("[data-do=make-request]");
  const csr = await made();
  await browser.paste(fieldOf("certificate"), sign(csr, 200));
  await browser.choose('dialog input[aria-label^="Authorities"]', given.ca);
  await look("subaccount-add-request");
  await submit();
  await check("a subaccount is added by a request", () => rowSays(SECOND, /Connected[^]*199 days/));
  await remove(SECOND);
  openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
    "-keyout", file("second.key"), "-subj", `/CN=${SECOND}`, "-out", file("second.csr"),
    "-addext", "extendedKeyUsage=clientAuth");
  fs.writeFileSync(file("second.crt"), sign(fs.readFileSync(file("second.csr")), 100));
  await begin();
  await choose("pkcs12");
  await browser.choose(fieldOf("pkcs12"), pkcs12(file("second.crt"), file("second.key")));
  await browser.type(fieldOf("pkcs12Password"), SECRET);
  await look("subaccount-add-file");
  await submit();
  await check("and by a file", () => rowSays(SECOND, /Connected[^]*99 days/));
}

/** A request that nobody waits for any more. */
export async function forgotten() {
  await browser.click(inRow(SECOND, "renew"));
  await choose("request");
  await browser.click("[data-do=make-request]");
  await made();
  const id = await number();
  await browser.click("dialog .cancel");
  await rowSays(`Request ${id}`, new RegExp(SECOND));
  await browser.click(inRow(`Request ${id}`, "forget"));
  await check("a request is forgotten", () => until("no request", async () =>
    (await row(`Request ${id}`)) === ""));
}

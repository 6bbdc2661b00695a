// Accounts that show a certificate, and all that there is as a file, put back.

import { X509Certificate } from "node:crypto";
import fs from "node:fs";
import path from "node:path";

import { until } from "./driver.mjs";
import {
  LOOKER, PASSWORD, SECOND, browser, check, fieldOf, fieldSays, given, heading, inRow, logIn, look,
  output, refused, remove, row, rowSays, submit, visit,
} from "./walk.mjs";

const BROKEN = "-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n";
const ROBOT = "robot";
const OF_BACKUP = "eleven loud otters dive";
const FILE = 'dialog input[aria-label^="Client Certificate"]';

const chosen = (name) => until("the file is read", () => browser.run((at) =>
  document.querySelector(at).value.includes("-----END"), fieldOf(name)));

export async function accountCertificates() {
  const hash = new X509Certificate(fs.readFileSync(given.certificate)).fingerprint256
    .replaceAll(":", "").toLowerCase().slice(0, 16);
  await visit("Accounts");
  await browser.click(inRow(LOOKER, "edit"));
  await browser.choose(FILE, given.certificate);
  await chosen("certificate");
  await look("account-edit");
  await submit();
  await check("an account has a certificate beside its password", () =>
    rowSays(LOOKER, new RegExp(hash)));
  await browser.click(inRow(LOOKER, "edit"));
  await browser.click(fieldOf("noCertificate"));
  await look("account-edit-certificate");
  await submit();
  await check("and has none any more", () => rowSays(LOOKER, /none/));
  await browser.click("[data-do=add]");
  await browser.type(fieldOf("user"), ROBOT);
  await browser.click("dialog button[type=submit]");
  await check("an account needs one of both", () => fieldSays("password", /At least 12/));
  await browser.paste(fieldOf("certificate"), BROKEN);
  await check("what is no certificate is told at its field", () =>
    refused("certificate", /is damaged/), /accounts .*400/);
  await look("account-add");
  await browser.choose(FILE, given.certificate);
  await until("another one is read", () => browser.run((at, length) =>
    document.querySelector(at).value.length > length, fieldOf("certificate"), BROKEN.length));
  await submit();
  await check("an account is made of a certificate alone", () =>
    rowSays(ROBOT, new RegExp(`Display[^]*${hash}`)));
  await remove(ROBOT);
}

/** Whether a password is anywhere in the page or what a browser keeps for it. */
const keeps = (secret) => {
  const inputs = [...document.querySelectorAll("input")].map((one) => one.value);
  const kept = [...inputs, { ...localStorage }, { ...sessionStorage }];
  return [document.documentElement.outerHTML, JSON.stringify(kept)].join(" ").includes(secret);
};

export async function backup() {
  await visit("Backup");
  await check("what a backup has is told", () => rowSays("Subaccounts", /2/));
  await look("backup");
  await browser.click("[data-do=take]");
  await browser.type(fieldOf("password"), OF_BACKUP);
  await browser.type(fieldOf("again"), OF_BACKUP);
  await look("backup-take");
  const old = (name) => name.endsWith(".backup") || name.endsWith(".crdownload");
  for (const name of fs.readdirSync(output).filter(old)) fs.rmSync(path.join(output, name));
  await submit();
  const file = await until("the file", () => {
    const name = fs.readdirSync(output).find((one) => one.endsWith(".backup"));
    return name && path.join(output, name);
  });
  await check("a backup is downloaded", () => until("a sealed one", () =>
    fs.readFileSync(file).subarray(0, 15).toString() === "causeway-backup"));
  await check("its password is nowhere", async () => {
    if (await browser.run(keeps, OF_BACKUP)) throw new Error("the page has it");
  });
  await visit("Subaccounts");
  await remove(SECOND);
  await visit("Backup");
  await browser.click("[data-do=restore]");
  await browser.choose(fieldOf("backup"), file);
  await browser.type(fieldOf("password"), `${OF_BACKUP}!`);
  await check("a wrong password of a backup is told", () =>
    refused("backup", /password is not the one/), /backup .*400/);
  await look("backup-restore");
  await browser.type(fieldOf("password"), OF_BACKUP);
  await submit();
  // A view that was being looked up is refused when the session is over.
  await check("after a restore one has to log in", () => heading("Log in"), /40[13]/);
  await check("and is told so", () => until("the words", async () =>
    (await browser.text("#say")).includes("restored")));
  await logIn("admin", PASSWORD);
  await heading("Backup");
  await visit("Subaccounts");
  await check("what was deleted is there again", () => rowSays(SECOND, /Connected/));
  if ((await row(given.subaccount)) === "") throw new Error("the other one is gone");
  await remove(SECOND);
}

// Backup: all that was made here as a file that a password seals, and such a file in its place.

import { ask, end, everything, get } from "./api.js";
import { field, openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { fresh, twice } from "./enter.js";
import { button, date, head, save, say, size, table } from "./parts.js";

const PATH = "/api/v1/configuration/backup";
const BYTES_MAX = 32 * 1024 * 1024;
// A large one on a slow line.
const PATIENCE_MS = 10 * 60 * 1000;

export async function load() {
  const [all, accounts] = await Promise.all(
    [everything(), get("/api/v1/configuration/accounts")]);
  const own = all.filter(({ one }) => one.managedBy !== "file");
  return {
    subaccounts: own.length,
    channels: own.reduce((sum, { channels }) => sum + channels.length, 0),
    accounts: accounts.length,
  };
}

function counted(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

function take() {
  const password = fresh("Password of the backup");
  const again = twice(password);
  openDialog({
    title: "Download a Backup", fields: [password, again], label: "Download",
    text: "There are keys in it. Without this password nobody can open it, nor can you.",
    submit: async () => {
      const { said } = await ask("POST", PATH, { password: password.value() }, PATIENCE_MS);
      save(`causeway-${date(Date.now())}.backup`, said);
      say(`The backup has ${size(said.size)}.`);
    },
  });
}

function restore(now) {
  const file = field({
    name: "backup", label: "Backup", type: "file", accept: ".backup", wide: true, required: true,
    check: (one) => {
      if (!one) return "Choose a file.";
      return one.size > BYTES_MAX ? "It is too large for a backup." : "";
    },
  });
  const password = field({
    name: "password", label: "Password of the backup", type: "password", wide: true,
    required: true, check: (text) => (text ? "" : "This is missing."),
  });
  const [subaccounts, channels] =
    [counted(now.subaccounts, "subaccount"), counted(now.channels, "service channel")];
  openDialog({
    title: "Restore a Backup", fields: [file, password], label: "Restore", danger: true,
    text: `All that is here is replaced: ${subaccounts}, ${channels}, and ` +
      `${counted(now.accounts, "account")} with their passwords. What is not in the backup is ` +
      "lost. Everybody is logged out, you too.",
    submit: async () => {
      const form = new FormData();
      form.append("backup", file.value());
      form.append("password", password.value());
      await ask("PUT", PATH, form, PATIENCE_MS);
      end();
      say("The backup is restored. Log in with an account of it.");
    },
  });
}

export function render(now) {
  const rows = [
    ["Subaccounts, with their certificates and keys", now.subaccounts],
    ["Service channels, open as they are", now.channels],
    ["Accounts, with their roles and passwords", now.accounts],
  ];
  const columns = [["In a backup", ([what]) => what], ["Here now", ([, count]) => String(count)]];
  return [
    head("Backup", "All that was made here, in one file that a password seals.",
      button("Restore", () => restore(now), { kind: "danger", name: "restore" }),
      button("Download", take, { kind: "main", name: "take" })),
    table("In a Backup", columns, rows, { key: ([what]) => what, plain: true }),
    h("p", { class: "quiet", key: "not" },
      "Requests for certificates are in it, too. Not in it are the log of changes, the bytes " +
      "that were counted, and what the configuration file manages."),
  ];
}

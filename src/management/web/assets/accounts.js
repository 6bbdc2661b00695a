// Accounts: who may do what with this connector.

import { ROLES, account, ask, get } from "./api.js";
import { checkPassword, checkPem, checkUser } from "./checks.js";
import { confirm, field, flag, openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { pemField } from "./material.js";
import { button, head, say, table } from "./parts.js";

const PATH = "/api/v1/configuration/accounts";

function path(one) {
  return `${PATH}/${encodeURIComponent(one.user)}`;
}

function role(value) {
  return field({
    name: "role", label: "Role", value, options: ROLES.map((one) => [one, one]), wide: true,
  });
}

/** `instead()` says whether there is something else to show in its place. */
function password(renewal, instead) {
  return field({
    name: "password", label: renewal ? "New Password" : "Password", type: "password",
    autocomplete: "new-password", wide: true,
    hint: renewal ? "Empty: the present one stays."
      : "At least 12 characters; may be empty where there is a certificate.",
    check: (text) => (!text && instead() ? "" : checkPassword(text)),
  });
}

function certificate(hint, check = () => "") {
  const right = checkPem("CERTIFICATE", true);
  return pemField({
    name: "certificate", label: "Client Certificate (PEM)", hint,
    check: (text) => right(text) || check(text),
  });
}

const TRUSTED = "Whoever shows it is this account. The configuration file has to name its " +
  "authority ([admin.tls] client_ca).";

function add(refresh) {
  const user = field({ name: "user", label: "User", check: checkUser, wide: true });
  const shown = certificate(TRUSTED);
  const [secret, as] = [password(false, () => shown.value()), role("Display")];
  openDialog({
    title: "Add Account", fields: [user, as, secret, shown], label: "Add",
    submit: async () => {
      const body = { user: user.value(), role: as.value() };
      if (secret.value()) body.password = secret.value();
      if (shown.value()) body.certificate = shown.value();
      await ask("POST", PATH, body);
      say(`${body.user} has an account now.`);
      refresh();
    },
  });
}

function edit(one, refresh) {
  const [secret, as] = [password(true, () => true), role(one.role)];
  const has = one.certificateSha256;
  const none = has && flag({ name: "noCertificate", label: "Take its certificate away" });
  const shown = certificate(has ? "Empty: the present one stays." : TRUSTED,
    (text) => (text && none && none.value() ? "Either another one, or none." : ""));
  openDialog({
    title: `Edit ${one.user}`, fields: [as, secret, shown, ...(none ? [none] : [])], label: "Save",
    submit: async () => {
      const body = { role: as.value() };
      if (secret.value()) body.password = secret.value();
      if (shown.value() || (none && none.value())) body.certificate = shown.value();
      await ask("PUT", path(one), body);
      say(`The account of ${one.user} is changed.`);
      refresh();
    },
  });
}

function remove(one, refresh) {
  confirm(`Delete ${one.user}?`, "Whoever uses this account is logged out.", "Delete",
    async () => {
      await ask("DELETE", path(one));
      refresh();
    });
}

export function load() {
  return get(PATH);
}

export function render(all, refresh) {
  const columns = [
    ["User", (one) => [
      h("b", null, one.user), one.user === account.user && h("span", { class: "tag" }, "you"),
    ]],
    ["Role", (one) => one.role],
    ["Client Certificate", ({ certificateSha256: hash }) => (hash
      ? h("span", { class: "code", title: `SHA-256 ${hash}` }, `${hash.slice(0, 16)}…`)
      : h("span", { class: "quiet" }, "none"))],
    ["Actions", (one) => h("div", { class: "actions" },
      button("Edit", () => edit(one, refresh), { of: one.user, name: "edit" }),
      one.user !== account.user &&
        button("Delete", () => remove(one, refresh),
          { of: one.user, kind: "danger", name: "delete" }))],
  ];
  return [
    head("Accounts", "Who may do what with this connector.",
      button("Add", () => add(refresh), { kind: "main", name: "add" })),
    table("Accounts", columns, all, { key: (one) => `account-${one.user}`, empty: "None." }),
  ];
}

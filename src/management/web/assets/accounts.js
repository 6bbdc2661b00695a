// Accounts: who may do what with this connector.

import { ROLES, account, ask, get } from "./api.js";
import { checkPassword, checkUser } from "./checks.js";
import { confirm, field, openDialog } from "./dialog.js";
import { h } from "./dom.js";
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

function password(optional) {
  return field({
    name: "password", label: optional ? "New Password" : "Password", type: "password",
    autocomplete: "new-password", wide: true,
    hint: optional ? "Empty: the present one stays." : "At least 12 characters.",
    check: (text) => (optional && !text ? "" : checkPassword(text)),
  });
}

function add(refresh) {
  const user = field({ name: "user", label: "User", check: checkUser, wide: true });
  const [secret, as] = [password(false), role("Display")];
  openDialog({
    title: "Add Account", fields: [user, as, secret], label: "Add",
    submit: async () => {
      const body = { user: user.value(), password: secret.value(), role: as.value() };
      await ask("POST", PATH, body);
      say(`${body.user} has an account now.`);
      refresh();
    },
  });
}

function edit(one, refresh) {
  const [secret, as] = [password(true), role(one.role)];
  openDialog({
    title: `Edit ${one.user}`, fields: [as, secret], label: "Save",
    submit: async () => {
      const body = { role: as.value() };
      if (secret.value()) body.password = secret.value();
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
    ["Actions", (one) => h("div", { class: "actions" },
      button("Edit", () => edit(one, refresh), { of: one.user }),
      one.user !== account.user &&
        button("Delete", () => remove(one, refresh), { of: one.user, kind: "danger" }))],
  ];
  return [
    head("Accounts", "Who may do what with this connector.",
      button("Add", () => add(refresh), { kind: "main", name: "add" })),
    table("Accounts", columns, all, { key: (one) => `account-${one.user}`, empty: "None." }),
  ];
}

// The way in: the first account by its link, logging in, and one's own password.

import { account, ask, logIn } from "./api.js";
import { checkPassword, checkUser } from "./checks.js";
import { field, openDialog } from "./dialog.js";
import { h } from "./dom.js";

/** A card with a form that does something or says why not. */
function card({ title, text, fields, label, message = "", submit }) {
  const wrong = h("p", { class: "wrong", role: "alert" }, message);
  const act = h("button", { type: "submit", class: "main" }, label);
  const form = h("form", { class: "card", novalidate: true, key: title },
    h("h1", null, title), text && h("p", { class: "quiet" }, text),
    h("div", { class: "fields" }, fields.map((one) => one.node)), wrong, act);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const faulty = fields.find((one) => !one.check());
    if (faulty) return faulty.input.focus();
    act.disabled = true;
    wrong.textContent = "";
    try {
      await submit();
    } catch (failure) {
      wrong.textContent = failure.message;
    } finally {
      act.disabled = false;
    }
  });
  return form;
}

export function logInView(inside, message) {
  const there = (text) => (text ? "" : "This is missing.");
  const user = field({ name: "user", label: "User", autocomplete: "username", check: there });
  const password = field({
    name: "password", label: "Password", type: "password", check: there,
    autocomplete: "current-password",
  });
  return card({
    title: "Log in", fields: [user, password], label: "Log in", message,
    submit: async () => {
      await logIn(user.value(), password.value());
      await inside();
    },
  });
}

/** The same password once more. */
export function twice(password) {
  return field({
    name: "again", label: "Password again", type: "password", autocomplete: "new-password",
    check: (text) => (text === password.value() ? "" : "This is another one."),
  });
}

/** A password that there was none of before. */
export function fresh(label) {
  return field({
    name: "password", label, type: "password", autocomplete: "new-password",
    hint: "At least 12 characters. A few words are good.", check: checkPassword,
  });
}

export function setUpView(token, inside, enter) {
  const user = field({
    name: "user", label: "User", autocomplete: "username", value: "admin", check: checkUser,
  });
  const password = fresh("Password");
  const again = twice(password);
  return card({
    title: "Set up this connector",
    text: "You make its first account, an Administrator. The link is good for this once.",
    fields: [user, password, again],
    label: "Make the account",
    submit: async () => {
      const [name, secret] = [user.value(), password.value()];
      await ask("POST", "/api/v1/setup", { token, user: name, password: secret });
      try {
        await logIn(name, secret);
      } catch (failure) {
        return enter(failure.message);
      }
      await inside();
    },
  });
}

/** Everybody changes their own. */
export function changePassword(say) {
  const old = field({
    name: "old", label: "Present password", type: "password", autocomplete: "current-password",
    check: (text) => (text ? "" : "This is missing."),
  });
  const password = fresh("New password");
  const again = twice(password);
  openDialog({
    title: "Change your password", fields: [old, password, again], label: "Change it",
    submit: async () => {
      const { user } = account;
      await ask("PUT", "/api/v1/password", { old: old.value(), new: password.value() });
      // It ends every session of the account, this one too.
      await logIn(user, password.value());
      say("Your password is another one now.");
    },
  });
}

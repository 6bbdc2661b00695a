// Fields that say beside them what is wrong, and the dialogs they are in.

import { h } from "./dom.js";

let count = 0;

/**
 * A field: `node` to show, `input`, `value()`, `set(text)`, `tell(text, wrong)`, which says
 * something beside it until it changes, `look()`, which has it say what it says by itself, and
 * `check()`, which says whether it is right and shows why it is not. `options` makes it a choice,
 * `lines` a text of several lines, `file` offers to read it from a file of those endings; the value
 * of one of type `file` is the file.
 */
export function field(of) {
  const { name, label, hint, type = "text", value = "", check = () => "" } = of;
  const id = `field-${++count}`;
  const props = { id, name, "aria-describedby": `${id}-hint`, required: of.required ?? false,
    readonly: of.readonly };
  const input = of.options
    ? h("select", { ...props, value }, of.options.map(([key, text]) =>
        h("option", { value: key }, text)))
    : of.lines
      ? h("textarea", { ...props, rows: of.lines, spellcheck: "false", value })
      : h("input", {
          ...props, type, value, spellcheck: "false", autocapitalize: "none",
          autocomplete: of.autocomplete ?? "off", inputmode: of.inputmode,
          placeholder: of.placeholder, accept: of.accept,
        });
  const message = h("p", { id: `${id}-hint`, class: "hint", "aria-live": "polite" }, hint ?? "");
  const text = () => {
    if (type === "file") return input.files[0] ?? "";
    return type === "password" ? input.value : input.value.trim();
  };
  const tell = (note, wrong = false) => {
    input.setAttribute("aria-invalid", String(wrong));
    message.classList.toggle("wrong", wrong);
    if (message.textContent !== note) message.textContent = note;
  };
  const judge = (quietly) => {
    const wrong = check(text());
    const shown = Boolean(wrong) && !quietly;
    tell(shown ? wrong : (of.note?.(text()) ?? hint ?? ""), shown);
    return !wrong;
  };
  let touched = false;
  input.addEventListener("input", () => judge(!(touched ||= text() !== "")));
  input.addEventListener("change", () => judge(!(touched = true)));
  const picker = of.file && fromFile(label, of.file, (read) => {
    input.value = read;
    input.dispatchEvent(new Event("change"));
  });
  const node = h("div", { class: of.wide || of.lines ? "field wide" : "field" },
    h("div", { class: "label" }, h("label", { for: id }, label), picker, of.beside),
    input, message);
  const set = (now) => {
    input.value = now;
    touched = true;
    judge(false);
  };
  const look = () => judge(true);
  return { node, input, value: text, set, tell, look, check: () => judge(false) };
}

/** Reads a text out of a file that is chosen. */
function fromFile(label, endings, then) {
  const id = `file-${++count}`;
  const input = h("input", {
    id, type: "file", accept: endings, class: "file", "aria-label": `${label} from a file`,
  });
  input.addEventListener("change", async () => {
    const [file] = input.files;
    if (file) then(await file.text());
    input.value = "";
  });
  return h("label", { class: "pick", for: id }, "From file…", input);
}

/** A yes or no. */
export function flag({ name, label, value = false }) {
  const input = h("input", { type: "checkbox", name, checked: value });
  return { node: h("label", { class: "flag" }, input, label), value: () => input.checked };
}

/** What is not shown is not asked for. */
const isShown = (one) => !one.node?.hidden;

/** Has the eye of whoever fills a dialog in at a field. */
function goTo(one) {
  const closed = one.input.closest("details");
  if (closed) closed.open = true;
  one.input.focus();
}

/**
 * A dialog of fields. `submit` does it; what it throws is shown, at the field that it names if it
 * begins with one, and the dialog stays. `first` has the focus in place of the first field.
 */
export function openDialog(of) {
  const { title, text, fields = [], more, first, label, danger = false, submit } = of;
  const id = `dialog-${++count}`;
  const wrong = h("p", { class: "wrong", role: "alert" });
  const act = h("button", { type: "submit", class: danger ? "danger" : "main" }, label);
  const cancel = h("button", { type: "button", class: "cancel" }, "Cancel");
  const form = h("form", { method: "dialog", novalidate: true },
    h("h2", { id }, title),
    text && h("p", { class: danger ? "" : "quiet" }, text),
    h("div", { class: "fields" }, fields.map((one) => one.node ?? one)),
    more,
    wrong,
    h("div", { class: "buttons" }, cancel, act));
  const dialog = h("dialog", { "aria-labelledby": id }, form);
  const all = () => [...fields, ...(more?.fields ?? [])];
  cancel.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => dialog.remove());
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const faulty = all().filter((one) => one.check && isShown(one) && !one.check());
    if (faulty.length > 0) return goTo(faulty[0]);
    act.disabled = true;
    wrong.textContent = "";
    try {
      await submit();
      dialog.close();
    } catch (failure) {
      const [word] = failure.message.split(/[^a-z0-9]/i, 1);
      const named = all().find((one) => one.input?.name === word && isShown(one));
      if (named) {
        named.tell(failure.message, true);
        goTo(named);
      } else {
        wrong.textContent = failure.message;
      }
    } finally {
      act.disabled = false;
    }
  });
  document.body.append(dialog);
  dialog.showModal();
  ((first ?? all()[0])?.input ?? (danger ? cancel : act)).focus();
  return dialog;
}

/** Asks before something is done that cannot be undone. */
export function confirm(title, text, label, submit) {
  return openDialog({ title, text, label, danger: true, submit });
}

// Subaccounts: whose services this connector reaches.

import { ask, at, may, subaccounts } from "./api.js";
import { tunnel } from "./channels.js";
import { checkLocation, checkName, checkText } from "./checks.js";
import { confirm, field, flag, openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { material } from "./material.js";
import { act, button, byFile, head, named, save, say, table, time, validity } from "./parts.js";
import * as requests from "./requests.js";

function about(one) {
  return [
    field({
      name: "locationID", label: "Location ID", value: one.locationID ?? "",
      check: checkLocation, hint: "Empty is the default.",
    }),
    field({
      name: "displayName", label: "Display Name", value: one.displayName ?? "", check: checkText,
    }),
    field({
      name: "description", label: "Description", value: one.description ?? "", wide: true,
      check: checkText,
    }),
  ];
}

/** What the fields say. */
function said(fields) {
  return Object.fromEntries(fields.map((one) => [one.input.name, one.value()]));
}

/** A dialog that needs a certificate, in which it may also be asked for. */
function withMaterial({ owner, renewal, asked, refresh }, dialog) {
  let shown;
  const made = () => {
    shown.querySelector(".cancel").textContent = "Close";
    refresh();
  };
  const sent = material({ owner, renewal, asked, made });
  shown = openDialog({ first: sent.first, ...dialog(sent) });
}

/** Adds one; `asked` is a request whose certificate has come. */
function add(refresh, asked = null) {
  const name = (of) => field({ check: checkName, required: true, ...of });
  const region = name({
    name: "regionHost", label: "Region Host", value: asked?.regionHost,
    placeholder: "cf.eu12.example.com",
  });
  const id = name({
    name: "subaccount", label: "Subaccount", value: asked?.subaccount,
    hint: "Its id, as its certificate names it.",
  });
  const owner = () => {
    const wrong = [region, id].filter((one) => !one.check());
    wrong[0]?.input.focus();
    return wrong.length ? null : said([region, id]);
  };
  const plain = [region, id, ...about({})];
  const managed = may.administer() &&
    flag({ name: "isManaged", label: "Only administrators may change it" });
  withMaterial({ owner, asked, refresh }, (sent) => ({
    title: "Add Subaccount", label: "Add",
    fields: [...plain, ...sent.fields, ...(managed ? [managed] : [])],
    submit: async () => {
      const flags = managed ? { isManaged: managed.value() } : {};
      const body = { ...said(plain), ...(await sent.body()), ...flags };
      await ask("POST", "/api/v1/configuration/subaccounts", body);
      sent.used();
      say(`Subaccount ${body.displayName || body.subaccount} is added and connected.`);
      refresh();
    },
  }));
}

function edit(one, refresh) {
  const fields = about(one);
  openDialog({
    title: `Edit ${named(one)}`, fields, label: "Save",
    submit: async () => {
      await ask("PUT", at(one), said(fields));
      say("The subaccount is changed.");
      refresh();
    },
  });
}

/** Gives a subaccount another certificate; `asked` is a request for it, which was signed. */
export function renew(one, refresh, asked = null) {
  withMaterial({ owner: () => one, renewal: true, asked, refresh }, (sent) => ({
    title: `Renew the certificate of ${named(one)}`, fields: sent.fields, label: "Renew",
    text: "New tunnels use it at once; those that are open stay.",
    submit: async () => {
      await ask("POST", at(one, "validity"), await sent.body());
      sent.used();
      say("The certificate is another one now.");
      refresh();
    },
  }));
}

function remove(one, refresh) {
  confirm(`Delete ${named(one)}?`,
    "Its service channels are deleted with it, and their streams end.", "Delete",
    async () => {
      await ask("DELETE", at(one));
      refresh();
    });
}

function actions(one, refresh) {
  if (!may.change(one)) return null;
  const off = one.tunnel?.state === "Disconnected";
  const of = named(one);
  const turn = () => act(() => ask("PUT", at(one, "state"), { connected: off }),
    off ? `${of} is connected.` : `${of} is disconnected.`, refresh);
  return h("div", { class: "actions" },
    button(off ? "Connect" : "Disconnect", turn, { of }),
    button("Edit", () => edit(one, refresh), { of }),
    button("Renew", () => renew(one, refresh), { of: `the certificate of ${of}`, name: "renew" }),
    button("Delete", () => remove(one, refresh), { of, kind: "danger", name: "delete" }));
}

/** Requests that wait for their certificates. */
function asked(all, refresh) {
  const waiting = may.configure() ? requests.open() : [];
  if (waiting.length === 0) return null;
  const whose = (request) => all.find((one) =>
    one.regionHost === request.regionHost && one.subaccount === request.subaccount);
  const go = (request) => {
    const one = whose(request);
    return one ? renew(one, refresh, request) : add(refresh, request);
  };
  const drop = (request) => {
    requests.forget(request.id);
    say(`Request ${request.id} is not listed here any more.`);
    refresh();
  };
  const columns = [
    ["Request", ({ id }) => h("b", null, `Request ${id}`)],
    ["Subaccount", ({ subaccount, regionHost }) =>
      [subaccount, h("p", { class: "quiet" }, regionHost)]],
    ["Made", ({ made }) => time(made)],
    ["Actions", (request) => {
      const of = `of request ${request.id}`;
      return h("div", { class: "actions" },
        (whose(request) ? may.change(whose(request)) : true) &&
          button("Enter Certificate", () => go(request), { of, name: "answer" }),
        button("Download", () => save(...requests.file(request)), { of }),
        button("Forget", () => drop(request), { of, name: "forget" }));
    }],
  ];
  return h("section", { key: "requests", "aria-label": "Open Certificate Requests" },
    h("h2", null, "Open Certificate Requests"),
    h("p", { class: "quiet" }, "Made in this browser, and waiting for their certificates."),
    table("Certificate Requests", columns, waiting, { key: ({ id }) => `request-${id}` }));
}

export function load() {
  return subaccounts();
}

export function render(all, refresh) {
  const place = (one) => [one.regionHost, one.subaccount].map(encodeURIComponent).join("/");
  const columns = [
    ["Subaccount", (one) => [
      h("a", { href: `#/channels/${place(one)}` }, named(one)), byFile(one),
      one.isManaged && h("span", { class: "tag" }, "managed"),
      one.displayName && h("p", { class: "quiet" }, one.subaccount),
      h("p", { class: "quiet" }, one.regionHost),
      one.description && h("p", { class: "quiet" }, one.description),
    ]],
    ["Location ID", (one) => one.locationID || h("span", { class: "quiet" }, "default")],
    ["State", tunnel],
    ["Channels", (one) => String(one.tunnel?.serviceChannels.length ?? 0)],
    ["Certificate", (one) => validity(one.tunnel?.subaccountCertificate?.notAfterTimeStamp)],
  ];
  if (may.configure()) columns.push(["Actions", (one) => actions(one, refresh)]);
  return [
    head("Subaccounts", "Whose services this connector reaches.",
      may.configure() && button("Add", () => add(refresh), { kind: "main", name: "add" })),
    table("Subaccounts", columns, all, {
      key: (one) => `subaccount-${place(one)}`, empty: "No subaccount yet.",
    }),
    asked(all, refresh),
  ];
}

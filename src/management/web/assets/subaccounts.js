// Subaccounts: whose services this connector reaches.

import { ask, at, may, subaccounts } from "./api.js";
import { tunnel } from "./channels.js";
import { checkLocation, checkName, checkPem, checkText } from "./checks.js";
import { confirm, field, flag, openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { act, button, byFile, head, named, say, table, validity } from "./parts.js";

const PEM_FILES = ".pem,.crt,.cer,.key,application/x-pem-file";

function texts(renewal) {
  const kept = "Empty: the present one stays.";
  return [
    field({
      name: "certificate", label: "Certificate (PEM)", lines: 4, file: PEM_FILES,
      check: checkPem("CERTIFICATE"), hint: "The chain, its leaf first.", required: true,
    }),
    field({
      name: "privateKey", label: "Private Key (PEM)", lines: 4, file: PEM_FILES,
      check: checkPem("PRIVATE KEY", renewal),
      hint: renewal ? kept : "It is never shown again.", required: !renewal,
    }),
    field({
      name: "ca", label: "Authorities of the Proxy (PEM)", lines: 4, file: PEM_FILES,
      check: checkPem("CERTIFICATE", renewal), required: !renewal,
      hint: renewal ? kept : "Proxies have to be known to one of them.",
    }),
  ];
}

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

/** What the fields say; those left empty too, unless told otherwise. */
function said(fields, empty = true) {
  const pairs = fields.map((one) => [one.input.name, one.value()]);
  return Object.fromEntries(pairs.filter(([, text]) => empty || text));
}

function add(refresh) {
  const fields = [
    field({
      name: "regionHost", label: "Region Host", check: checkName, required: true,
      placeholder: "cf.eu12.example.com",
    }),
    field({ name: "subaccount", label: "Subaccount", check: checkName, required: true,
      hint: "Its id, as its certificate names it." }),
    ...about({}), ...texts(false),
  ];
  const managed = may.administer() &&
    flag({ name: "isManaged", label: "Only administrators may change it" });
  openDialog({
    title: "Add Subaccount", fields: managed ? [...fields, managed] : fields, label: "Add",
    submit: async () => {
      const body = { ...said(fields), ...(managed && { isManaged: managed.value() }) };
      await ask("POST", "/api/v1/configuration/subaccounts", body);
      say(`Subaccount ${body.displayName || body.subaccount} is added and connected.`);
      refresh();
    },
  });
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

/** Gives a subaccount another certificate. */
export function renew(one, refresh) {
  const fields = texts(true);
  openDialog({
    title: `Renew the certificate of ${named(one)}`, fields, label: "Renew",
    text: "New tunnels use it at once; those that are open stay.",
    submit: async () => {
      await ask("POST", at(one, "validity"), said(fields, false));
      say("The certificate is another one now.");
      refresh();
    },
  });
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
    button("Renew", () => renew(one, refresh), { of: `the certificate of ${of}` }),
    button("Delete", () => remove(one, refresh), { of, kind: "danger", name: "delete" }));
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
  ];
}

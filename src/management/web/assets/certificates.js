// Certificates: until when they are good, and another one in time.

import { get, may, subaccounts } from "./api.js";
import { h } from "./dom.js";
import { button, date, head, named, table, validity } from "./parts.js";
import { renew } from "./subaccounts.js";

export async function load() {
  const monitored = may.seeMonitoring() ? get("/api/monitoring/certificates") : null;
  const all = await subaccounts();
  const own = ((await monitored)?.certificates ?? []).filter((one) => one.type !== "subaccount");
  return [
    ...own.map((one) => ({
      what: "This page and REST", from: one.validFrom, until: one.validTo,
      subject: one.subjectDN, issuer: one.issuerDN, serial: one.serialNumber, key: one.type,
    })),
    ...all.filter((one) => one.tunnel?.subaccountCertificate).map((one) => {
      const shown = one.tunnel.subaccountCertificate;
      return {
        one, what: named(one), from: shown.notBeforeTimeStamp, until: shown.notAfterTimeStamp,
        subject: shown.subjectDN, issuer: shown.issuer, serial: shown.serialNumber,
        key: `${one.regionHost}/${one.subaccount}`,
      };
    }),
  ];
}

export function render(rows, refresh) {
  const columns = [
    ["Certificate of", (row) => [
      h("b", null, row.what), row.one && h("p", { class: "quiet" }, row.one.regionHost),
    ]],
    ["State", (row) => validity(row.until)],
    ["Valid", (row) => `${date(row.from)} – ${row.until ? date(row.until) : "?"}`],
    ["Subject", (row) => h("span", { class: "code" }, row.subject)],
    ["Issuer", (row) => h("span", { class: "code" }, row.issuer)],
    ["Serial Number", (row) => h("span", { class: "code" }, row.serial)],
  ];
  if (may.configure()) {
    columns.push(["Actions", ({ one }) => one && may.change(one) &&
      button("Renew", () => renew(one, refresh), { of: `the certificate of ${named(one)}` })]);
  }
  const sorted = [...rows].sort((a, b) => (a.until ?? 0) - (b.until ?? 0));
  return [
    head("Certificates", "The one that ends first is at the top."),
    table("Certificates", columns, sorted, {
      key: (row) => `certificate-${row.key}`, empty: "No certificate yet.",
    }),
  ];
}

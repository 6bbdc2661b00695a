// What makes or renews a subaccount: certificate and key as PEM, a certificate that was asked for
// here, or a PKCS #12 file.

import { checkPem, checkRequest } from "./checks.js";
import { field } from "./dialog.js";
import { h } from "./dom.js";
import { button, save } from "./parts.js";
import * as requests from "./requests.js";

const SOURCES = [
  ["pem", "Certificate and private key, as PEM"],
  ["request", "Certificate for a request that is made here"],
  ["pkcs12", "PKCS #12 file (.p12, .pfx)"],
];
// The connector takes 256 KiB in all, and base64 makes a third more of it.
const PKCS12_BYTES_MAX = 180 * 1024;

/** A field for PEM text, typed or from a file. */
export function pemField(of) {
  const file = ".pem,.crt,.cer,.key,application/x-pem-file";
  return field({ lines: 4, file, ...of });
}

/**
 * Its fields. `owner()` says whose it is going to be, or null where that is not known; `asked` is a
 * request to go on with; `made` is called when another one was made.
 */
export function material({ owner, renewal = false, asked, made }) {
  const source = field({
    name: "source", label: "Source", options: SOURCES, value: asked ? "request" : "pem", wide: true,
  });
  const from = (one) => source.value() === one;
  const certificate = pemField({
    name: "certificate", label: "Certificate (PEM)", check: checkPem("CERTIFICATE"),
    hint: "The chain, its leaf first.", required: true,
  });
  const privateKey = pemField({
    name: "privateKey", label: "Private Key (PEM)", check: checkPem("PRIVATE KEY", renewal),
    hint: renewal ? "Empty: the present one stays." : "It is never shown again.",
    required: !renewal,
  });
  const ca = pemField({
    name: "ca", label: "Authorities of the Proxy (PEM)",
    check: (text) => checkPem("CERTIFICATE", renewal || from("pkcs12"))(text),
    note: () => {
      if (from("pkcs12")) return "Empty: those in the file.";
      return renewal ? "Empty: the present one stays." : "Proxies have to be known to one of them.";
    },
  });
  const [pkcs12, password] = pkcs12Fields();
  const request = requestFields(owner, asked, made, () => arrange());
  const parts = {
    pem: [certificate, privateKey, ca],
    request: [...request.fields, certificate, ca],
    pkcs12: [pkcs12, password, ca],
  };
  const all = [...request.fields, pkcs12, password, certificate, privateKey, ca];
  function arrange() {
    const wanted = parts[source.value()];
    for (const one of all) one.node.hidden = !wanted.includes(one) || Boolean(one.isEmpty?.());
    ca.input.required = !renewal && !from("pkcs12");
    ca.look();
  }
  source.input.addEventListener("change", arrange);
  arrange();
  return {
    fields: [source, ...all],
    first: asked && certificate,
    /** What is sent of it. */
    async body() {
      const sent = parts[source.value()].filter((one) => one.input && !one.input.readOnly);
      const pair = async (one) => [one.input.name, await text(one.value())];
      const pairs = await Promise.all(sent.map(pair));
      return Object.fromEntries(pairs.filter(([, value]) => value));
    },
    /** Its request is used up. */
    used: () => from("request") && requests.forget(request.id()),
  };
}

function pkcs12Fields() {
  const file = field({
    name: "pkcs12", label: "PKCS #12 File", type: "file", accept: ".p12,.pfx", wide: true,
    hint: "With the certificate, its private key, and those that lead to its authority.",
    required: true,
    check: (one) => {
      if (!one) return "Choose a file.";
      return one.size > PKCS12_BYTES_MAX ? "It is too large for such a file." : "";
    },
  });
  const password = field({
    name: "pkcs12Password", label: "Password of the File", type: "password", wide: true,
    hint: "It opens the file once, and is not kept.",
  });
  return [file, password];
}

/** The text of a field; a file's as base64. */
function text(value) {
  if (!(value instanceof Blob)) return value;
  return new Promise((then, fail) => {
    const reader = new FileReader();
    reader.onload = () => then(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => fail(new Error("The file cannot be read."));
    reader.readAsDataURL(value);
  });
}

/** Making a request, what it says, and which one a certificate is for. */
function requestFields(owner, asked, made, arrange) {
  let one = asked;
  const number = field({
    name: "certificateRequest", label: "Number of the Request", inputmode: "numeric", wide: true,
    value: one ? String(one.id) : "", check: checkRequest, required: true,
    hint: "Of one that was made in another browser, the log of changes tells it.",
  });
  const csr = field({
    name: "csr", label: "Certificate Request (PEM)", lines: 6, readonly: true, value: one?.csr,
    hint: "An authority signs it, and copies its extensions. Its certificate goes in below, now " +
      "or later.",
    beside: h("div", { class: "actions" },
      button("Copy", () => copy(csr), { of: "the request", kind: "pick", name: "copy" }),
      button("Download", () => save(...requests.file(one)),
        { of: "the request", kind: "pick", name: "download-request" })),
  });
  csr.isEmpty = () => !one;
  const why = h("p", { class: "hint", "aria-live": "polite" },
    "The connector makes the key, which never leaves it.");
  const make = button("Make a Request", async () => {
    const whose = owner();
    if (!whose) return;
    why.classList.remove("wrong");
    make.disabled = true;
    try {
      one = await requests.make(whose);
      csr.set(one.csr);
      number.set(String(one.id));
      why.textContent = `Request ${one.id} is made.`;
      arrange();
      made();
    } catch (failure) {
      why.classList.add("wrong");
      why.textContent = failure.message;
    } finally {
      make.disabled = false;
      make.focus();
    }
  }, { name: "make-request" });
  const making = { node: h("div", { class: "field wide" }, h("div", null, make), why) };
  return { fields: [making, csr, number], id: () => Number(number.value()) };
}

async function copy(csr) {
  csr.input.select();
  try {
    await navigator.clipboard.writeText(csr.input.value);
    csr.tell("It is copied.");
  } catch {
    csr.tell("The browser does not let it be copied from here; it is selected.");
  }
}

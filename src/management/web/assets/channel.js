// The dialogs of a channel: add, edit, import; and the file of an export.

import { ask, at, get } from "./api.js";
import {
  checkAddress, checkBytes, checkConnections, checkHost, checkNetworks, checkPort, checkService,
  checkText, isHalfAScheme, networks, takeApart,
} from "./checks.js";
import { field, flag, openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { alarm, say } from "./parts.js";

/** Reasons why channels could not be enabled, by id: the connector leaves such a one disabled. */
export const failed = new Map();

/** Enables one, or says at its row why not. */
export async function enable(one, id) {
  failed.delete(id);
  try {
    await ask("PUT", at(one, "channels", "K8S", id, "state"), { enabled: true });
    say(`Service channel ${id} is enabled.`);
  } catch (failure) {
    if (failure.status === 500) failed.set(id, failure.message);
    alarm(failure.message);
  }
}

/** Whose port it is already, of channels that could not be open beside it. */
function portNote(others, address) {
  return (text) => {
    const all = (ip) => ip === "0.0.0.0" || ip === "::";
    const mine = address();
    const taken = others.find((other) => String(other.port) === text &&
      (other.localAddress === mine || all(other.localAddress) || all(mine)));
    return taken && `Service channel ${taken.id} has this port too; only one can be enabled.`;
  };
}

/** The whole endpoint goes into the first field, pasted or typed, and is split there. */
function splits(host, service) {
  host.input.addEventListener("input", (event) => {
    const text = host.input.value;
    if (isHalfAScheme(text)) return;
    const apart = takeApart(text);
    if (apart.service === null) {
      if (apart.host !== text.trim()) host.set(apart.host);
      return;
    }
    host.set(apart.host);
    if (apart.service) service.set(apart.service);
    // Whoever types goes on in the field where it belongs.
    if (event.inputType === "insertText" || event.inputType === undefined) {
      service.input.focus();
    }
  });
}

function makeFields(channel, others) {
  const host = field({
    name: "k8sCluster", label: "K8s Cluster Host", value: channel.k8sCluster ?? "", wide: true,
    hint: "Paste the whole endpoint here, such as tcp://cp.example.com:443/service.",
    check: checkHost, required: true,
  });
  const service = field({
    name: "k8sService", label: "K8s Service ID", value: channel.k8sService ?? "", wide: true,
    check: checkService, required: true,
  });
  splits(host, service);
  let address;
  const port = field({
    name: "port", label: "Local Port", value: String(channel.port ?? ""), inputmode: "numeric",
    hint: "Any unused port.", check: checkPort, required: true,
    note: portNote(others, () => address?.value() ?? "127.0.0.1"),
  });
  const connections = field({
    name: "connections", label: "Connections", value: String(channel.connections ?? 1),
    inputmode: "numeric", check: checkConnections, required: true,
    hint: "1 per 10 clients at a time is plenty.",
  });
  const comment = field({
    name: "comment", label: "Description", value: channel.comment ?? "", wide: true,
    check: checkText,
  });
  address = field({
    name: "localAddress", label: "Local Address", value: channel.localAddress ?? "127.0.0.1",
    check: checkAddress, hint: "127.0.0.1: this machine only; 0.0.0.0: everybody.",
  });
  const mode = field({
    name: "mode", label: "Mode", value: channel.mode ?? "multiplexed",
    options: [["multiplexed", "multiplexed"], ["direct", "direct"]],
    hint: "Many streams in a tunnel, or one tunnel each.",
  });
  const sources = field({
    name: "allowedSources", label: "Allowed Sources", lines: 2,
    value: (channel.allowedSources ?? []).join("\n"), check: checkNetworks,
    hint: "Networks such as 10.0.0.0/8; none is everybody.",
  });
  const bytes = field({
    name: "bytesPerSecondMax", label: "Bytes per Second", inputmode: "numeric",
    value: String(channel.bytesPerSecondMax ?? 0), check: checkBytes, hint: "0 is any number.",
  });
  const tls = flag({
    name: "tls", label: "TLS on the local port", value: channel.tls ?? false,
  });
  const plain = [host, service, port, connections, comment];
  return { plain, more: [address, mode, sources, bytes], tls };
}

function said(fields) {
  const value = Object.fromEntries(
    [...fields.plain, ...fields.more].map((one) => [one.input.name, one.value()]));
  return {
    ...value,
    port: Number(value.port),
    connections: Number(value.connections),
    allowedSources: networks(value.allowedSources),
    bytesPerSecondMax: Number(value.bytesPerSecondMax),
    tls: fields.tls.value(),
  };
}

function advanced({ more, tls }) {
  const node = h("details", null, h("summary", null, "Advanced"),
    h("div", { class: "fields" }, [...more, tls].map((one) => one.node)));
  node.fields = more;
  return node;
}

/** Adds a channel; `others` are those there are. */
export function add(one, others, refresh) {
  const fields = makeFields({}, others);
  const enabled = flag({ name: "enabled", label: "Enabled: open it at once", value: true });
  openDialog({
    title: "Add Service Channel", text: "Type: Kubernetes Cluster",
    fields: [...fields.plain, enabled], more: advanced(fields), label: "Add",
    submit: async () => {
      const { headers } = await ask("POST", at(one, "channels", "K8S"), said(fields));
      const id = Number(headers.get("location").split("/").pop());
      say(`Service channel ${id} is added.`);
      // What its dialog is about is done; how it goes on is told at its row.
      if (enabled.value()) enable(one, id).then(refresh);
      refresh();
    },
  });
}

/** Changes one, live if it is enabled. */
export function edit(one, channel, others, refresh) {
  const fields = makeFields(channel, others.filter((other) => other.id !== channel.id));
  openDialog({
    title: `Edit Service Channel ${channel.id}`, fields: fields.plain,
    more: advanced(fields), label: "Save",
    submit: async () => {
      await ask("PUT", at(one, "channels", "K8S", channel.id), said(fields));
      failed.delete(channel.id);
      say(`Service channel ${channel.id} is changed.`);
      refresh();
    },
  });
}

function counted(list) {
  return list.length === 1 ? "1 service channel" : `${list.length} service channels`;
}

/** Imports what an export wrote. */
export function importAll(one, refresh) {
  let read = null;
  const check = (text) => {
    read = null;
    if (!text) return "Choose a file or paste what is in it.";
    try {
      read = JSON.parse(text);
    } catch {
      return "This is no JSON.";
    }
    return Array.isArray(read?.channels) ? "" : "This is no export of service channels.";
  };
  const text = field({
    name: "import", label: "Exported Channels", lines: 8, file: ".json,application/json", check,
    note: () => read && `To be added: ${counted(read.channels)}.`,
    hint: "All are imported, or none. They are disabled at first.",
  });
  openDialog({
    title: "Import Service Channels", fields: [text], label: "Import",
    submit: async () => {
      const { said } = await ask("POST", at(one, "channels", "import"), read);
      say(`Imported: ${counted(said.created)}.`);
      refresh();
    },
  });
}

/** Has the browser save all channels of a subaccount. */
export async function exportAll(one) {
  try {
    const said = await get(at(one, "channels", "export"));
    const text = `${JSON.stringify(said, null, 2)}\n`;
    const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    h("a", { href: url, download: `channels-${one.subaccount}.json` }).click();
    URL.revokeObjectURL(url);
    say(`Exported: ${counted(said.channels)}.`);
  } catch (failure) {
    alarm(failure.message);
  }
}

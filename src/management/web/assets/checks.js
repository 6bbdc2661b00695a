// What may be typed, by the rules the connector has. Each check says what is wrong, or "".

const NAME_BYTES_MAX = 255;
const TEXT_BYTES_MAX = 1024;
const CONNECTIONS_MAX = 256;
const SOURCES_MAX = 64;

const bytes = (text) => new TextEncoder().encode(text).length;

/** Takes `[scheme://]host[:port][/service]` apart; any scheme is dropped. */
export function takeApart(text) {
  const bare = text.trim().replace(/^[a-z][a-z0-9+.-]*:\/\//i, "");
  const slash = bare.indexOf("/");
  if (slash < 0) return { host: bare, service: null };
  return { host: bare.slice(0, slash), service: bare.slice(slash + 1) };
}

/** A scheme of which the end is not typed yet. */
export function isHalfAScheme(text) {
  return /^[a-z][a-z0-9+.-]*:\/?$/i.test(text.trim());
}

function isV4(text) {
  const parts = text.split(".");
  const number = (part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255;
  return parts.length === 4 && parts.every(number);
}

function isV6(text) {
  const halves = text.split("::");
  const groups = halves.flatMap((half) => (half ? half.split(":") : []));
  const end = groups.at(-1) ?? "";
  const v4 = isV4(end) && text.endsWith(end);
  const hex = v4 ? groups.slice(0, -1) : groups;
  const count = groups.length + (v4 ? 1 : 0);
  const whole = halves.length === 1 ? count === 8 : halves.length === 2 && count < 8;
  return whole && hex.every((group) => /^[0-9a-f]{1,4}$/i.test(group));
}

export function checkHost(text) {
  if (!text) return "The host of the endpoint is missing.";
  const found = /^(\[[^\]]*\]|[^:]*)(?::(.*))?$/.exec(text);
  if (!found) return "This is no host, as in cp.example.com:443.";
  const [, host, port] = found;
  if (host.startsWith("[") ? !isV6(host.slice(1, -1)) : !/^[a-z0-9._-]+$/i.test(host)) {
    return "This is no host, as in cp.example.com:443.";
  }
  if (bytes(host) > NAME_BYTES_MAX) return `A host has at most ${NAME_BYTES_MAX} characters.`;
  if (port !== undefined && !isNumber(port, 1, 65535)) return "Its port is not one of 1 to 65535.";
  return "";
}

export function checkService(text) {
  if (!text) return "The service ID is missing; the endpoint has it behind the host.";
  const odd = /[^a-z0-9\-._~!$&'()*+,;=]/i.exec(text);
  if (odd) return `No service ID has the character “${odd[0]}”.`;
  return text.length > NAME_BYTES_MAX ? `At most ${NAME_BYTES_MAX} characters.` : "";
}

function isNumber(text, least, most) {
  return /^\d+$/.test(text) && Number(text) >= least && Number(text) <= most;
}

export function checkPort(text) {
  return isNumber(text, 1, 65535) ? "" : "A port is a number from 1 to 65535.";
}

export function checkRequest(text) {
  return isNumber(text, 1, Number.MAX_SAFE_INTEGER) ? "" : "The number of a request.";
}

export function checkConnections(text) {
  return isNumber(text, 1, CONNECTIONS_MAX) ? "" : `A number from 1 to ${CONNECTIONS_MAX}.`;
}

export function checkText(text) {
  return bytes(text) > TEXT_BYTES_MAX ? `At most ${TEXT_BYTES_MAX} bytes.` : "";
}

export function checkAddress(text) {
  return isV4(text) || isV6(text) ? "" : "An IP address, such as 127.0.0.1 or 0.0.0.0.";
}

/** Networks as they are written in a field. */
export function networks(text) {
  return text.split(/[\s,]+/).filter(Boolean);
}

export function checkNetworks(text) {
  const all = networks(text);
  if (all.length > SOURCES_MAX) return `At most ${SOURCES_MAX} networks.`;
  const wrong = all.find((one) => !isNetwork(one));
  return wrong ? `“${wrong}” is no network; write 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32.` : "";
}

function isNetwork(text) {
  const [address, prefix, more] = text.split("/");
  if (more !== undefined) return false;
  const v4 = isV4(address);
  if (!v4 && !isV6(address)) return false;
  if (prefix === undefined) return true;
  if (!isNumber(prefix, 0, v4 ? 32 : 128)) return false;
  if (!v4) return true;
  // Bits behind the prefix are a slip of the pen.
  const number = address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
  return number % 2 ** (32 - Number(prefix)) === 0;
}

export function checkBytes(text) {
  return text === "" || isNumber(text, 0, Number.MAX_SAFE_INTEGER)
    ? ""
    : "A number of bytes a second; 0 for any.";
}

/** Names that stand in paths. */
export function checkName(text) {
  if (!text) return "This is missing.";
  const plain = /^[a-z0-9\-._~]+$/i.test(text) && !/^\.+$/.test(text);
  return plain && text.length <= NAME_BYTES_MAX ? "" : "Letters, digits and -._~ only.";
}

export function checkLocation(text) {
  return /^[!-~]*$/.test(text) && text.length <= NAME_BYTES_MAX
    ? ""
    : "Printable ASCII without spaces.";
}

/** A check of PEM text with blocks of that label. */
export function checkPem(label, optional = false) {
  return (text) => {
    if (!text.trim()) return optional ? "" : "This is missing.";
    const begin = new RegExp(`-----BEGIN ([A-Z ]*)${label}-----`);
    const end = new RegExp(`-----END ([A-Z ]*)${label}-----`);
    const noun = label.toLowerCase();
    return begin.test(text) && end.test(text) ? "" : `There is no PEM block of a ${noun} in it.`;
  };
}

export function checkUser(text) {
  if (!text) return "The name is missing.";
  if (text.trim() !== text || text.includes(":")) return "No colons, no spaces at its ends.";
  return bytes(text) > 64 ? "At most 64 bytes." : "";
}

const PASSWORD_CHARACTERS_MIN = 12;

export function checkPassword(text) {
  const count = [...text].length;
  if (count >= PASSWORD_CHARACTERS_MIN) return bytes(text) > 1024 ? "At most 1024 bytes." : "";
  const left = PASSWORD_CHARACTERS_MIN - count;
  return `At least ${PASSWORD_CHARACTERS_MIN} characters; ${left} to go. A few words are good.`;
}

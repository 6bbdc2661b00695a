// Elements, and how a tree that is shown becomes another one: what stays the same element keeps
// its focus, its scroll and what is typed in it. Data only ever becomes text or an attribute.

const SVG = "http://www.w3.org/2000/svg";
const HANDLERS = ["onclick", "onchange", "oninput", "onsubmit"];

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "key") element.key = value;
    else if (typeof value === "function") element[name] = value;
    else if (name === "value" && element.nodeName !== "OPTION") element.value = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : String(child));
  }
  // A select has its options only now.
  if (element.nodeName === "SELECT" && props?.value !== undefined) element.value = props.value;
  return element;
}

/** An HTML element. */
export function h(tag, props, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** An SVG element. */
export function s(tag, props, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

/** Has `parent` show `children` and nothing else. */
export function show(parent, ...children) {
  const list = children.flat(Infinity).filter((one) => one instanceof Node);
  const wanted = new Set(list.map((one) => one.key).filter((key) => key !== undefined));
  const kept = new Map();
  for (const child of [...parent.childNodes]) {
    if (child.key === undefined) continue;
    if (wanted.has(child.key)) kept.set(child.key, child);
    else child.remove();
  }
  let at = parent.firstChild;
  for (const now of list) {
    const old = now.key === undefined ? at : kept.get(now.key);
    if (!old || old.nodeName !== now.nodeName || old.key !== now.key) {
      parent.insertBefore(now, at);
      continue;
    }
    if (old === at) at = at.nextSibling;
    else parent.insertBefore(old, at);
    become(old, now);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function become(old, now) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== now.data) old.data = now.data;
    return;
  }
  for (const { name } of [...old.attributes]) {
    // Whether it is open is its reader's business.
    if (!now.hasAttribute(name) && !(name === "open" && old.nodeName === "DETAILS")) {
      old.removeAttribute(name);
    }
  }
  for (const { name, value } of now.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const name of HANDLERS) old[name] = now[name];
  const chosen = now.value;
  show(old, ...now.childNodes);
  if (old.nodeName === "SELECT" && document.activeElement !== old) old.value = chosen;
}

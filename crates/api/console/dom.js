// Elements without markup in texts: everything that the API sends is inserted as a text node.

// On narrow screens, style sheets show tables as cards. Some browsers then forget that they are tables.
const ROLES = { table: "table", thead: "rowgroup", tbody: "rowgroup", tr: "row", th: "columnheader", td: "cell" };

/**
 * An element. `on` has event listeners, `data` data attributes, `text` the content; a boolean switches an attribute;
 * everything else is an attribute.
 */
export function el(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), { role: ROLES[tag], ...properties }, children);
}

/** The same for SVG. */
export function svg(tag, properties = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", tag), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (name === "data") {
      Object.assign(element.dataset, value);
    } else if (name === "text") {
      element.textContent = value;
    } else if (typeof value === "boolean") {
      element.toggleAttribute(name, value);
    } else {
      element.setAttribute(name, value);
    }
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Writes a text only if it differs, so that selections and live regions stay as they are. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A button. */
export function button(text, onClick, properties = {}) {
  return el("button", { type: "button", text, on: { click: onClick }, ...properties });
}

/** The heading of a view. It gets the focus when the view opens, so that screen readers read it. */
export function heading(text) {
  document.title = `${text} – Exports`;
  return el("h1", { tabindex: "-1", text });
}

let nextId = 0;

/** An id for `for`, `aria-describedby` and the like. */
export function newId(prefix) {
  nextId += 1;
  return `${prefix}-${nextId}`;
}

/** Calls `action` once, `delay` milliseconds after the last call of the result. */
export function debounce(delay, action) {
  let timer;
  const debounced = (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...given), delay);
  };
  debounced.stop = () => clearTimeout(timer);
  return debounced;
}

/** Waits, or less if the signal is aborted. */
export function sleep(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    }, { once: true });
  });
}

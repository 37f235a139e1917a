// Controls of forms, with their labels.

import { el, newId } from "./dom.js";

/** A control with its label, and a hint below it. */
export function field(label, control, hint) {
  control.id ||= newId("field");
  const parts = [el("label", { for: control.id, text: label }), control];
  if (hint) {
    const id = `${control.id}-hint`;
    control.setAttribute("aria-describedby", id);
    parts.push(el("p", { id, class: "hint", text: hint }));
  }
  return el("div", { class: "field" }, parts);
}

export function input(type, name, properties = {}) {
  return el("input", { type, name, id: `new-${name}`, autocomplete: "off", ...properties });
}

/** A selection; `options` are values with their texts, and the first one is the default. */
export function select(name, options) {
  return el("select", { name, id: `new-${name}` }, optionsOf(options));
}

export function optionsOf(options) {
  return options.map(([value, text]) => el("option", { value, text }));
}

export function check(name, label, checked = false, value = "on") {
  return el("label", { class: "check" }, el("input", { type: "checkbox", name, value, checked }), el("span", { text: label }));
}

export function radio(name, value, label, checked = false) {
  return el("label", { class: "check" }, el("input", { type: "radio", name, value, checked }), el("span", { text: label }));
}

export function group(legend, ...children) {
  return el("fieldset", {}, el("legend", { text: legend }), children);
}

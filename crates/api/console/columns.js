// The choice of columns and their order.

import { button, el } from "./dom.js";
import { announce } from "./feedback.js";

const COMMON = ["delivered_at", "next_attempt_at", "response_status", "response_latency_ms"];
const COLUMNS = {
  outbound: ["message_id", "endpoint_id", "endpoint", "status", "attempt_count", "created_at", ...COMMON, "last_error"],
  inbound: ["message_id", "inbound_endpoint_id", "endpoint", "status", "attempt_count", "received_at", ...COMMON, "total_delivery_ms", "last_error"],
};

export class Columns {
  constructor(changed) {
    this.changed = changed;
    this.list = el("ol", { class: "columns" });
    this.reset = button("All, in their usual order", () => {
      this.of(this.direction);
      changed();
      announce("All columns, in their usual order");
    }, { class: "quiet", data: { columns: "reset" } });
    this.element = el("fieldset", {}, el("legend", { text: "Columns" }),
      el("p", { class: "hint", text: "Columns that are not chosen are not read. The buttons change the order." }), this.list, this.reset);
    this.of("outbound");
  }

  /** Shows the columns of a direction. */
  of(direction) {
    this.direction = direction;
    this.list.replaceChildren(...COLUMNS[direction].map((name) => this.item(name)));
    this.markEnds();
  }

  item(name) {
    const box = el("input", { type: "checkbox", value: name, checked: true, on: { change: () => this.changed() } });
    const move = (text, label, step) => button(text, ({ currentTarget }) => this.move(item, step, currentTarget), { class: "quiet", "aria-label": `${label} ${name}`, data: { move: label } });
    const item = el("li", {}, el("label", { class: "check" }, box, el("code", { text: name })), el("span", { class: "moves" }, move("↑", "Earlier:", -1), move("↓", "Later:", 1)));
    return item;
  }

  move(item, step, pressed) {
    const other = step < 0 ? item.previousElementSibling : item.nextElementSibling;
    if (!other) return;
    if (step < 0) other.before(item);
    else other.after(item);
    this.markEnds();
    pressed.focus();
    const place = [...this.list.children].indexOf(item) + 1;
    announce(`${item.querySelector("input").value} is now column ${place}`);
    this.changed();
  }

  /** The first cannot go up, the last cannot go down. The buttons stay, so that the focus stays. */
  markEnds() {
    for (const item of this.list.children) {
      const [up, down] = item.querySelectorAll("button");
      up.setAttribute("aria-disabled", String(!item.previousElementSibling));
      down.setAttribute("aria-disabled", String(!item.nextElementSibling));
    }
  }

  /** The chosen ones; `undefined` if that is what the service does anyway. */
  value() {
    const chosen = [...this.list.querySelectorAll("input:checked")].map(({ value }) => value);
    const usual = COLUMNS[this.direction];
    return chosen.length === usual.length && chosen.every((name, index) => name === usual[index]) ? undefined : chosen;
  }
}

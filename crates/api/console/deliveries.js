// The last deliveries of one webhook.

import { call } from "./api.js";
import { el, heading, sleep } from "./dom.js";
import { actionButton, announce, errorPlace } from "./feedback.js";
import { link } from "./router.js";
import { ago } from "./time.js";

const MARKS = { pending: ["pending", "◷"], delivered: ["completed", "✓"], failed: ["failed", "✕"] };
const POLL = 2000;

export async function deliveriesView(main, { id }, signal) {
  const path = `/v1/export-webhooks/${id}`;
  const { data: hook } = await call("GET", path, { signal });
  const place = errorPlace();
  const list = el("div");
  let shown = "";
  const load = async () => {
    const { data } = await call("GET", `${path}/deliveries`, { signal });
    const read = JSON.stringify(data);
    // The same table stays, and with it the focus.
    if (read !== shown) list.replaceChildren(tableOf(data));
    shown = read;
  };
  const test = async () => {
    await call("POST", `${path}/test`);
    announce("A test event was sent");
    await load();
  };
  main.replaceChildren(
    el("p", {}, el("a", { href: "#/webhooks", text: "← All webhooks" })),
    heading("Deliveries"),
    el("p", {}, "To ", el("code", { text: hook.url }), `, which is ${hook.status}. The last 100, newest first.`),
    el("div", { class: "actions" },
      actionButton("Send a test", place, test, { class: "primary", data: { action: "test" } }),
      actionButton("Read again", place, async () => { await load(); announce("Deliveries were read again"); }, { data: { action: "reload" } })),
    place,
    list);
  await load();
  poll(load, signal);
}

/** There is no stream of deliveries, so the view reads again while it is open and in the foreground. */
async function poll(load, signal) {
  while (!signal.aborted) {
    await sleep(POLL, signal);
    if (signal.aborted) return;
    // The next one tells; the table from before stays.
    if (!document.hidden) await load().catch(() => {});
  }
}

function tableOf(deliveries) {
  if (deliveries.length === 0) {
    return el("div", { class: "empty" }, el("h2", { text: "Nothing was sent yet" }), el("p", { text: "Send a test, or wait until an export ends." }));
  }
  return el("table", { class: "deliveries" },
    el("caption", { class: "hidden-text", text: "Deliveries, newest first" }),
    el("thead", {}, el("tr", {}, ["Event", "State", "Response", "Created"].map((text) => el("th", { scope: "col", text })))),
    el("tbody", {}, deliveries.map(rowOf)));
}

function rowOf({ event, export_id: exported, attempt, status, response_status: response, next_attempt_at: next, created_at: created }) {
  const [color, mark] = MARKS[status];
  return el("tr", {},
    el("td", { "data-title": "Event" }, el("code", { text: event }), exported ? el("div", { class: "small" }, el("a", { href: link(`exports/${exported}`), text: `export ${exported.slice(-6)}` })) : null),
    el("td", { "data-title": "State" },
      el("span", { class: "badge", data: { status: color } }, el("span", { "aria-hidden": "true", text: mark }), el("span", { text: status })),
      el("div", { class: "small" }, `attempt ${attempt}`, next ? [", next ", ago(next)] : null)),
    el("td", { "data-title": "Response", text: response ? `HTTP ${response}` : status === "pending" ? "not yet" : "none" }),
    el("td", { "data-title": "Created" }, ago(created)));
}

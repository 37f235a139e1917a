// One export: its time line, its rate, why it ended, its files, and what can be done with it.

import { call, newIdempotencyKey } from "./api.js";
import { chart } from "./chart.js";
import { el, heading } from "./dom.js";
import { actionButton, announce, ask, copyButton, errorPlace } from "./feedback.js";
import { facts, whyItEnded } from "./facts.js";
import { copyLink, download, Files, manifest } from "./files.js";
import { subscribe } from "./live.js";
import { go } from "./router.js";
import { badge, isActive, nameOf, progressBar, STATUS } from "./row.js";
import { timeline } from "./timeline.js";

/** What is not an id in the address, the API refuses, with a message. */
export async function detailView(main, { id }, signal) {
  let detail = null;
  // A change that comes before the first answer may be newer than the answer.
  let early = null;
  const read = async () => {
    try {
      detail?.update((await call("GET", `/v1/exports/${id}`, { signal })).data);
    } catch (error) {
      if (error.status === 404) detail.deleted();
    }
  };
  const changed = (one) => {
    if (one.id !== id.toLowerCase()) return;
    early = one;
    detail?.update(one);
    // Events leave the files of a split export out.
    if (one.status === "completed" && one.max_rows_per_file && !one.files) read();
  };
  subscribe({
    export: changed,
    deleted: (deleted) => {
      if (deleted === id.toLowerCase()) detail?.deleted();
    },
    refresh: read,
  }, signal);
  const { data } = await call("GET", `/v1/exports/${id}`, { signal });
  detail = new Detail(data, signal);
  main.replaceChildren(...detail.elements);
  if (early) changed(early);
}

class Detail {
  constructor(one, signal) {
    this.data = one;
    this.signal = signal;
    this.place = errorPlace();
    this.badge = badge();
    this.why = el("div");
    this.bar = progressBar("Progress of this export");
    this.timeline = timeline();
    this.chart = chart(one.id);
    this.facts = el("div");
    this.files = new Files(one.id);
    this.buttons = this.actions();
    this.body = el("div", { class: "detail" },
      el("section", { class: "card", "aria-label": "Progress" }, this.bar.element, this.timeline.element, this.chart.element),
      el("section", { class: "card", "aria-label": "What it contains" }, this.facts));
    this.elements = [
      el("p", {}, el("a", { href: "#/exports", text: "← All exports" })),
      el("div", { class: "title" }, heading(nameOf(one)), this.badge.element),
      el("p", { class: "id small" }, el("code", { text: one.id }), " ", copyButton("Copy id", "Id", () => one.id, { class: "quiet" })),
      el("div", { class: "actions", role: "group", "aria-label": "Actions" }, Object.values(this.buttons)),
      this.place,
      this.why,
      this.body,
      this.files.element,
    ];
    this.update(one);
  }

  actions() {
    const { id } = this.data;
    const act = (text, action, properties) => actionButton(text, this.place, action, properties);
    return {
      download: act("Download", () => download(id), { class: "primary", data: { action: "download" } }),
      link: act("Copy link", () => copyLink(id), { data: { action: "link" } }),
      manifest: act("Manifest", () => manifest(id), { data: { action: "manifest" } }),
      cancel: act("Cancel", () => this.cancel(), { data: { action: "cancel" } }),
      retry: act("Retry", () => this.retry(), { class: "primary", data: { action: "retry" } }),
      delete: act("Delete", () => this.delete(), { class: "danger", data: { action: "delete" } }),
    };
  }

  update(one) {
    const before = this.data;
    // An event has no files; those that are known stay.
    this.data = one.files || one.status !== before.status ? one : { ...one, files: before.files };
    if (before.status !== one.status) announce(`${nameOf(one)} is now ${STATUS[one.status].text}`);
    const { status } = one;
    const focused = document.activeElement;
    const has = {
      download: status === "completed" && !one.max_rows_per_file,
      link: status === "completed" && !one.max_rows_per_file,
      manifest: status === "completed",
      cancel: isActive(one),
      retry: status === "failed" || status === "expired",
      delete: !isActive(one),
    };
    for (const [name, button] of Object.entries(this.buttons)) button.hidden = !has[name];
    // A button that has just disappeared must not take the focus with it.
    if (focused?.hidden && Object.values(this.buttons).includes(focused)) this.elements[1].querySelector("h1").focus();
    this.badge.update(one);
    this.bar.update(one);
    this.timeline.update(one);
    this.chart.update(one);
    // Progress comes every second; what it does not change keeps its focus and its selection.
    const fixed = JSON.stringify({ ...one, progress: undefined });
    if (fixed !== this.fixed) {
      this.fixed = fixed;
      this.why.replaceChildren(...whyItEnded(one));
      this.facts.replaceChildren(facts(one));
    }
    this.files.update(this.data);
  }

  deleted() {
    announce("The export was deleted");
    for (const button of Object.values(this.buttons)) button.hidden = true;
    this.why.replaceChildren(el("div", { class: "notice" }, el("p", { text: "This export was deleted. Its file is gone, and its links do not work any more." })));
    this.body.hidden = true;
    this.files.element.hidden = true;
  }

  async cancel() {
    const agreed = await ask({
      title: "Cancel this export?",
      text: "The worker stops, and what it has written so far is removed. You can retry it later.",
      agree: "Cancel the export",
    });
    if (!agreed) return;
    const { data } = await call("POST", `/v1/exports/${this.data.id}/cancel`, { signal: this.signal });
    this.update(data);
  }

  async retry() {
    // The same key at a second press: one new export, whatever happens to the answer of the first.
    this.retryKey ??= newIdempotencyKey();
    const headers = { "Idempotency-Key": this.retryKey };
    const { data } = await call("POST", `/v1/exports/${this.data.id}/retry`, { headers, signal: this.signal });
    announce("A new export of the same request was created");
    go(`exports/${data.id}`);
  }

  async delete() {
    const agreed = await ask({
      title: "Delete this export?",
      text: this.data.status === "completed"
        ? "Its file is deleted from the store, and links to it stop working. This cannot be undone."
        : "Its record is removed from the list. This cannot be undone.",
      agree: "Delete the export",
    });
    if (!agreed) return;
    await call("DELETE", `/v1/exports/${this.data.id}`, { signal: this.signal });
    announce("The export was deleted");
    go("exports");
  }
}

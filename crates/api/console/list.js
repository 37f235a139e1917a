// The list of exports: filters in the address, pages by cursor, live changes.

import { call } from "./api.js";
import { debounce, el, heading } from "./dom.js";
import { announce, errorPlace, showError } from "./feedback.js";
import { subscribe } from "./live.js";
import { go, link, replaceQuery } from "./router.js";
import { Row, nameOf, STATUS } from "./row.js";
import { plural } from "./time.js";

const SIZES = ["25", "50", "100", "500"];
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export async function listView(main, { query }, signal) {
  const filter = {
    status: query.get("status") ?? "",
    text: query.get("text") ?? "",
    limit: query.get("limit") ?? "",
    cursor: query.get("cursor") ?? "",
  };
  const list = new List(filter, signal);
  main.replaceChildren(
    el("div", { class: "title" }, heading("Exports"), el("a", { class: "button primary", href: "#/new", text: "New export" })),
    filters(filter, list),
    list.place,
    list.body,
    list.pages);
  subscribe({
    export: (changed) => list.when(() => list.changed(changed)),
    deleted: (id) => list.when(() => list.remove(id)),
    refresh: () => list.load(),
  }, signal);
  await list.load();
}

function filters(filter, list) {
  const changed = (name) => ({ target }) => {
    filter[name] = target.value;
    // Another filter begins at its first page.
    filter.cursor = "";
    replaceQuery("exports", filter);
    list.load();
  };
  const find = debounce(200, () => {
    replaceQuery("exports", filter);
    list.filterRows(true);
  });
  const status = el("select", { id: "status", on: { change: changed("status") } },
    el("option", { value: "", text: "Any status" }),
    Object.entries(STATUS).map(([value, { text }]) => el("option", { value, text, selected: value === filter.status })));
  const size = el("select", { id: "size", on: { change: changed("limit") } },
    SIZES.map((value) => el("option", { value: value === "50" ? "" : value, text: value, selected: value === (filter.limit || "50") })));
  const text = el("input", {
    id: "text", type: "search", placeholder: "Label, id or error", "aria-describedby": "text-hint",
    on: {
      input: ({ target }) => {
        filter.text = target.value.trim();
        find();
      },
    },
  });
  text.value = filter.text;
  const submit = (event) => {
    event.preventDefault();
    if (UUID.test(filter.text)) go(`exports/${filter.text}`);
  };
  return el("form", { class: "filters", role: "search", "aria-label": "Exports", on: { submit } },
    el("div", { class: "field grow" },
      el("label", { for: "text", text: "Find on this page" }), text,
      el("span", { id: "text-hint", class: "hidden-text", text: "Enter a whole id to open that export." })),
    el("div", { class: "field" }, el("label", { for: "status", text: "Status" }), status),
    el("div", { class: "field" }, el("label", { for: "size", text: "Per page" }), size));
}

class List {
  constructor(filter, signal) {
    Object.assign(this, { filter, signal });
    this.rows = new Map();
    this.place = errorPlace();
    this.table = el("tbody");
    this.empty = el("div", { class: "empty", hidden: true });
    this.grid = el("table", { class: "exports" },
      el("caption", { class: "hidden-text", text: "Exports, newest first" }),
      el("thead", {}, el("tr", {}, ["Export", "Status", "Progress or result", "Created"].map((text) => el("th", { scope: "col", text })))),
      this.table);
    this.grid.hidden = true;
    this.loading = el("p", { class: "hint", text: "Loading…" });
    this.body = el("div", { class: "list" }, this.loading, this.grid, this.empty);
    this.pages = el("nav", { class: "pages", "aria-label": "Pages" });
  }

  /** Applies a change; while the list is read, after that: the answer may be older than the change. */
  when(apply) {
    if (this.waiting) this.waiting.push(apply);
    else apply();
  }

  async load() {
    const { status, limit, cursor } = this.filter;
    this.waiting ??= [];
    this.reading?.abort();
    this.reading = new AbortController();
    const signal = AbortSignal.any([this.signal, this.reading.signal]);
    try {
      const { data, meta } = await call("GET", "/v1/exports", { query: { status, limit: limit || "50", cursor }, signal });
      showError(this.place, null);
      this.show(data);
      this.showPages(meta);
    } catch (error) {
      // Another reading has begun, or the view is closed.
      if (error.name === "AbortError") return;
      // The rows from before stay: they are better than nothing.
      showError(this.place, error);
    }
    this.loading.hidden = true;
    const { waiting } = this;
    this.waiting = null;
    waiting.forEach((apply) => apply());
  }

  /** Rows that were there before keep their element, and with it the focus. */
  show(data) {
    const kept = new Map();
    for (const one of data) {
      const row = this.rows.get(one.id) ?? new Row(one);
      row.update(one);
      kept.set(one.id, row);
    }
    for (const [id, row] of this.rows) if (!kept.has(id)) row.element.remove();
    this.rows = kept;
    let before = null;
    for (const row of kept.values()) {
      const place = before ? before.nextSibling : this.table.firstChild;
      if (place !== row.element) this.table.insertBefore(row.element, place);
      before = row.element;
    }
    this.filterRows();
  }

  changed(changed) {
    const row = this.rows.get(changed.id);
    const { status } = this.filter;
    if (row && status && changed.status !== status) {
      announce(`${nameOf(changed)} is now ${STATUS[changed.status].text}`);
      this.remove(changed.id);
    } else if (row) {
      if (row.data.status !== changed.status) announce(`${nameOf(changed)} is now ${STATUS[changed.status].text}`);
      row.update(changed);
      this.filterRows();
    } else if (!this.filter.cursor && (!status || status === changed.status) && this.isNewest(changed)) {
      const added = new Row(changed);
      this.rows = new Map([[changed.id, added], ...this.rows]);
      this.table.prepend(added.element);
      this.filterRows();
    }
  }

  isNewest({ created_at: time }) {
    const [first] = this.rows.values();
    return !first || Date.parse(time) >= Date.parse(first.data.created_at);
  }

  remove(id) {
    this.rows.get(id)?.element.remove();
    this.rows.delete(id);
    this.filterRows();
  }

  /** Hides the rows that do not match the text, and says how many do. */
  filterRows(say = false) {
    const { text, status, cursor } = this.filter;
    let count = 0;
    for (const row of this.rows.values()) {
      const matches = row.matches(text.toLowerCase());
      row.element.hidden = !matches;
      if (matches) count += 1;
    }
    this.grid.hidden = count === 0;
    this.empty.hidden = count > 0;
    if (say) announce(`${plural(count, "export")} on this page`);
    if (count > 0) return;
    this.empty.replaceChildren(...emptyText(this.rows.size > 0, status, cursor));
  }

  showPages({ has_more: more, next_cursor: next }) {
    const { status, text, limit, cursor } = this.filter;
    this.pages.replaceChildren(
      ...(cursor ? [el("a", { class: "button", href: link("exports", { status, text, limit }), data: { page: "first" }, text: "Newest exports" })] : []),
      ...(more ? [el("a", { class: "button", rel: "next", href: link("exports", { status, text, limit, cursor: next }), data: { page: "next" }, text: "Older exports" })] : []));
    this.pages.hidden = !more && !cursor;
  }
}

function emptyText(hasHidden, status, cursor) {
  if (hasHidden) return [el("h2", { text: "Nothing on this page matches" }), el("p", { text: "The text is compared with the labels, ids and errors of the exports on this page only. Remove it, or look at the other pages." })];
  if (status) return [el("h2", { text: `No export is ${STATUS[status]?.text ?? status} now` }), el("p", {}, "Choose another status, or ", el("a", { href: "#/exports", text: "show all exports" }), ".")];
  if (cursor) return [el("h2", { text: "There are no older exports" }), el("p", {}, el("a", { href: "#/exports", text: "Back to the newest" }))];
  return [
    el("h2", { text: "There are no exports yet" }),
    el("p", { text: "An export writes the messages of a time range into a file. It takes a few seconds for a million messages, and the file can be downloaded for some days." }),
    el("p", {}, el("a", { class: "button primary", href: "#/new", text: "Create the first export" })),
  ];
}

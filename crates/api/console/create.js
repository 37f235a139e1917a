// A new export: all options of the API, the estimate, the same request for curl.

import { call, newIdempotencyKey } from "./api.js";
import { Columns } from "./columns.js";
import { curlLine } from "./curl.js";
import { button, el, heading, setText } from "./dom.js";
import { Estimate } from "./estimate.js";
import { actionButton, announce, copyButton, errorPlace, showError } from "./feedback.js";
import { check, field, group, input, optionsOf, radio, select } from "./fields.js";
import { missing, requestOf } from "./request.js";
import { go } from "./router.js";

const STATUSES = ["queued", "delivering", "succeeded", "pending_retry", "failed_permanent"];
const FORMATS = [["csv", "CSV"], ["jsonl", "JSON Lines"], ["parquet", "Parquet"]];
const COMPRESSIONS = {
  csv: [["", "none"], ["gzip", "gzip"], ["zstd", "zstd"]],
  jsonl: [["", "none"], ["gzip", "gzip"], ["zstd", "zstd"]],
  parquet: [["", "zstd (usual)"], ["gzip", "gzip"], ["snappy", "snappy"], ["none", "none"]],
};
const DELIMITERS = [[",", "comma ,"], [";", "semicolon ;"], ["\t", "tab"], ["|", "pipe |"]];
const LINE_ENDINGS = [["crlf", "CRLF (RFC 4180)"], ["lf", "LF (Unix)"]];
const HOUR = 3_600_000;
const RANGES = [["Last hour", HOUR], ["Last 24 hours", 24 * HOUR], ["Last 7 days", 7 * 24 * HOUR], ["Last 30 days", 30 * 24 * HOUR]];

export async function createView(main, _route, signal) {
  const view = new Create(signal);
  main.replaceChildren(heading("New export"), view.element);
  view.changed();
}

class Create {
  constructor(signal) {
    this.signal = signal;
    this.estimate = new Estimate(signal);
    this.place = errorPlace();
    this.command = el("code");
    this.columns = new Columns(() => this.changed());
    this.compression = select("compression", COMPRESSIONS.csv);
    this.dialect = this.dialectGroup();
    this.endpoints = field("Endpoint ids", el("textarea", { name: "endpoints", id: "new-endpoints", rows: "2", spellcheck: "false" }), "One on a line, at most 50; none: all endpoints. An outbound endpoint is ep_ and 32 digits, an inbound one is a UUID.");
    this.submit = actionButton("Create export", this.place, () => this.create(), { class: "primary", type: "submit", data: { action: "create" } });
    this.form = el("form", {
      novalidate: true,
      on: {
        input: () => this.changed(),
        change: ({ target }) => this.adapt(target),
        // The button's own listener creates it; Enter in a field arrives here through the button, too.
        submit: (event) => event.preventDefault(),
      },
    }, this.messages(), this.file(), el("div", { class: "card" }, this.place, el("div", { class: "actions" }, this.submit)));
    this.element = el("div", { class: "create" }, this.form, this.aside());
    this.last(24 * HOUR);
  }

  messages() {
    this.start = input("datetime-local", "start", { required: true, step: "1" });
    this.end = input("datetime-local", "end", { required: true, step: "1" });
    return el("section", { class: "card", "aria-labelledby": "which" },
      el("h2", { id: "which", text: "Which messages" }),
      el("div", { class: "actions", role: "group", "aria-label": "Time ranges" }, RANGES.map(([text, length]) => button(text, () => {
        this.last(length);
        this.changed();
        announce(`${text} is chosen`);
      }, { class: "quiet", data: { range: text } }))),
      el("div", { class: "pair" }, field("Start (UTC)", this.start), field("End (UTC)", this.end)),
      group("Direction", radio("direction", "outbound", "outbound", true), radio("direction", "inbound", "inbound")),
      group("Status of messages (none: any)", STATUSES.map((name) => check("status", name, false, name))),
      this.endpoints);
  }

  file() {
    const zones = el("datalist", { id: "zones" }, (Intl.supportedValuesOf?.("timeZone") ?? []).map((value) => el("option", { value })));
    return el("section", { class: "card", "aria-labelledby": "which-file" },
      el("h2", { id: "which-file", text: "Which file" }),
      field("Label", input("text", "label", { maxlength: "200" }), "For people; nothing selects by it."),
      el("div", { class: "pair" }, field("Format", select("format", FORMATS)), field("Compression", this.compression)),
      el("div", { class: "pair" },
        field("Time zone", input("text", "timezone", { list: "zones", placeholder: "UTC", spellcheck: "false" }), "An IANA name such as Europe/Berlin."), zones,
        field("Rows per file", input("number", "max_rows", { min: "1000", max: "1000000000", placeholder: "one file" }), "1,000 or more. Excel opens 1,048,575 and a header.")),
      this.dialect,
      el("details", {}, el("summary", { text: "Columns and their order" }), this.columns.element));
  }

  dialectGroup() {
    return group("CSV",
      el("div", { class: "pair" }, field("Delimiter", select("delimiter", DELIMITERS)), field("Lines end with", select("line_ending", LINE_ENDINGS))),
      check("header", "Header with the names of the columns", true),
      check("bom", "Byte order mark, by which Excel recognizes UTF-8"),
      check("formula_guard", "Guard: texts that a spreadsheet would run as formulas get a leading '", true));
  }

  aside() {
    return el("aside", { class: "aside", "aria-label": "Estimate and command" },
      el("section", { class: "card" }, el("h2", { text: "Estimate" }), this.estimate.element),
      el("section", { class: "card" },
        el("h2", { text: "The same with curl" }),
        el("pre", { tabindex: "0", role: "region", "aria-label": "Command" }, this.command),
        el("div", { class: "actions" }, copyButton("Copy command", "Command", () => this.command.textContent, { data: { action: "copy-curl" } })),
        el("p", { class: "hint", text: "Set the variable EXPORTS_KEY to your key first." })));
  }

  /** Sets the range to a time before now, in whole minutes. */
  last(length) {
    const now = Math.ceil(Date.now() / 60_000) * 60_000;
    this.start.value = new Date(now - length).toISOString().slice(0, 16);
    this.end.value = new Date(now).toISOString().slice(0, 16);
  }

  /** Controls that depend on others. */
  adapt({ name, value }) {
    if (name === "format") {
      const before = this.compression.value;
      this.compression.replaceChildren(...optionsOf(COMPRESSIONS[value]));
      if (COMPRESSIONS[value].some(([known]) => known === before)) this.compression.value = before;
      this.dialect.hidden = value !== "csv";
    }
    if (name === "direction") this.columns.of(value);
    this.changed();
  }

  changed() {
    const request = requestOf(this.form, this.columns.value());
    const known = JSON.stringify(request);
    if (known === this.known) return;
    this.known = known;
    // Another request needs another key.
    this.key = null;
    setText(this.command, curlLine("/v1/exports", request));
    const reason = missing(request);
    if (reason) this.estimate.wait(reason);
    else this.estimate.ask(request);
  }

  async create() {
    const request = requestOf(this.form, this.columns.value());
    const reason = missing(request);
    if (reason) {
      showError(this.place, { code: "FORM", message: reason });
      return;
    }
    // The same key at a second press: one export, whatever happened to the answer of the first.
    this.key ??= newIdempotencyKey();
    const headers = { "Idempotency-Key": this.key };
    const { data } = await call("POST", "/v1/exports", { body: request, headers, signal: this.signal });
    announce("The export was created");
    go(`exports/${data.id}`);
  }
}

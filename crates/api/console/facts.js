// What one export contains, and why a failed one has ended.

import { el } from "./dom.js";
import { link } from "./router.js";
import { isActive, range } from "./row.js";
import { ago, bytes, number } from "./time.js";

const DELIMITERS = { "\t": "tab" };

/** What helps, by the code of the error. */
const HELPS = {
  SOURCE_UNAVAILABLE: "Retry it later.",
  SOURCE_STALLED: "Retry it later.",
  STORAGE_UNAVAILABLE: "Retry it later.",
  ATTEMPTS_EXHAUSTED: "Retry it later. If it happens again, tell your operator.",
  INVALID_DATA: "Choose another time range or filter, or ask your operator to correct the message.",
  FILE_TOO_LARGE: "Choose a shorter time range.",
  TIMED_OUT: "Choose a shorter time range.",
  ENDED_BY_OPERATOR: "Ask your operator.",
  CANCELED: "Retry it if you need it after all.",
};

/** The reason and what helps, of a failed export; else nothing. */
export function whyItEnded(one) {
  if (one.status === "expired") {
    return [el("div", { class: "notice" }, el("p", { text: "The file has been removed. Retry the export to get a new one, with the messages of now." }))];
  }
  if (one.status !== "failed") return [];
  const canceled = one.error_code === "CANCELED";
  return [el("div", { class: canceled ? "notice" : "notice bad" },
    el("p", {}, el("strong", { text: one.error_message ?? "The export failed." })),
    el("p", {}, HELPS[one.error_code] ?? "Retry it. If it fails again, give the id to your operator.", " ", one.error_code ? el("code", { text: one.error_code }) : null))];
}

/** A list of names and values. */
export function facts(one) {
  const list = [
    ["Time range", range(one)],
    ["Direction", one.direction],
    ["Status of messages", listOf(one.filter_statuses ?? one.filter_status)],
    ["Endpoints", listOf(one.filter_endpoint_ids ?? one.filter_endpoint_id ?? one.filter_inbound_endpoint_ids ?? one.filter_inbound_endpoint_id)],
    ["Format", [one.format ?? "csv", one.compression && one.compression !== "none" ? one.compression : null].filter(Boolean).join(", ")],
    ["Columns", one.columns ? one.columns.join(", ") : "all"],
    ["Time zone", one.timezone ?? "UTC"],
    ["CSV", one.csv ? dialect(one.csv) : null],
    ["Rows per file", one.max_rows_per_file === undefined ? null : `at most ${number(one.max_rows_per_file)}`],
    ["Rows", one.row_count === undefined ? null : number(one.row_count)],
    ["Size", one.file_size_bytes === undefined ? null : `${bytes(one.file_size_bytes)} (${number(one.file_size_bytes)} bytes)`],
    ["SHA-256", one.sha256 ? el("code", { text: one.sha256 }) : null],
    ["Snapshot", one.snapshot_at ? [ago(one.snapshot_at, { exact: true }), " – later messages are not in the file"] : null],
    ["Attempts", attempts(one)],
    ["Retry of", one.retry_of ? el("a", { href: link(`exports/${one.retry_of}`), text: one.retry_of }) : null],
    ["Created", ago(one.created_at, { exact: true })],
  ];
  return el("dl", { class: "facts" }, list.filter(([, value]) => value).map(([name, value]) => el("div", {}, el("dt", { text: name }), el("dd", {}, value))));
}

function listOf(values) {
  if (!values) return "any";
  return [values].flat().join(", ");
}

function dialect({ delimiter, line_ending: line, header, bom, formula_guard: guard }) {
  return [
    `delimiter ${DELIMITERS[delimiter] ?? delimiter}`,
    `lines end with ${line.toUpperCase()}`,
    header ? "with header" : "no header",
    bom ? "byte order mark" : null,
    guard ? null : "no formula guard",
  ].filter(Boolean).join(", ");
}

function attempts(one) {
  const { attempt } = one;
  if (!attempt) return null;
  if (attempt === 1) return "1";
  return isActive(one) ? `${attempt}: the attempts before it ended without a file` : String(attempt);
}

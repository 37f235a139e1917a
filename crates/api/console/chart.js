// Rows per second of exports that run, from their progress: kept for all of them while the page is open, drawn for one.

import { svg, el, setText } from "./dom.js";
import { subscribe } from "./live.js";
import { number } from "./time.js";

const KEPT = 120;
const WIDTH = 320;
const HEIGHT = 64;

/** Samples by export: the time in seconds and the rows so far. */
const samples = new Map();

/** Remembers the progress of all exports, for as long as the page is open. */
export function recordRates() {
  subscribe({ export: record, deleted: (id) => samples.delete(id) }, new AbortController().signal);
}

/** Adds the progress of an export. */
export function record({ id, attempt, progress }) {
  if (progress?.rows_written === undefined) return;
  const at = Date.parse(progress.updated_at) / 1000;
  const known = samples.get(id) ?? [];
  const last = known.at(-1);
  if (last && at <= last.at) return;
  // Another attempt begins at zero.
  if (last && last.attempt !== attempt) known.length = 0;
  known.push({ at, rows: progress.rows_written, attempt });
  if (known.length > KEPT) known.shift();
  samples.set(id, known);
}

function ratesOf(id) {
  const known = samples.get(id) ?? [];
  return known.slice(1).map(({ at, rows }, index) => (rows - known[index].rows) / (at - known[index].at));
}

/** The chart of one export. `update` draws it again. */
export function chart(id) {
  const line = svg("polyline", { class: "line", points: "" });
  const area = svg("polygon", { class: "area", points: "" });
  const text = el("p", { class: "small" });
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true", class: "chart" }, area, line);
  const element = el("figure", { class: "rates", hidden: true }, el("figcaption", { text: "Rows per second" }), picture, text);
  return {
    element,
    update(one) {
      record(one);
      const rates = ratesOf(id);
      const average = averageOf(one);
      element.hidden = rates.length === 0 && average === null;
      if (element.hidden) return;
      picture.toggleAttribute("hidden", rates.length < 2);
      const highest = Math.max(1, ...rates);
      const points = rates.map((rate, index) => {
        const x = (index / Math.max(1, rates.length - 1)) * WIDTH;
        return `${x.toFixed(1)},${(HEIGHT - 2 - (rate / highest) * (HEIGHT - 6)).toFixed(1)}`;
      });
      line.setAttribute("points", points.join(" "));
      area.setAttribute("points", points.length ? `0,${HEIGHT} ${points.join(" ")} ${WIDTH},${HEIGHT}` : "");
      setText(text, [
        one.status === "processing" && rates.length ? `now ${number(Math.round(rates.at(-1)))}` : null,
        rates.length ? `highest ${number(Math.round(highest))}` : null,
        average === null ? null : `average ${number(Math.round(average))}`,
      ].filter(Boolean).join(" · "));
    },
  };
}

/** Of an export with a file, over its last attempt. */
function averageOf({ row_count: rows, started_at: from, completed_at: to }) {
  if (rows === undefined || !from || !to) return null;
  const seconds = (Date.parse(to) - Date.parse(from)) / 1000;
  return seconds > 0 ? rows / seconds : null;
}

// One export in the list, and what lists and details share: names of states, the progress.

import { el, setText } from "./dom.js";
import { link } from "./router.js";
import { ago, bytes, duration, number, plural, utc } from "./time.js";

/** The states, as the page calls them. The mark is for those who do not see colors. */
export const STATUS = {
  pending: { text: "queued", mark: "◷" },
  processing: { text: "running", mark: "▶" },
  completed: { text: "ready", mark: "✓" },
  failed: { text: "failed", mark: "✕" },
  expired: { text: "expired", mark: "–" },
};

export function isActive({ status }) {
  return status === "pending" || status === "processing";
}

/** What people call an export. */
export function nameOf({ label, direction, id }) {
  return label ?? `${direction === "inbound" ? "Inbound" : "Outbound"} export ${id.slice(-6)}`;
}

export function range({ filter_start_time: from, filter_end_time: to }) {
  const whole = [from, to].every((time) => utc(time).endsWith(":00 UTC"));
  const [start, end] = [from, to].map((time) => utc(time).slice(0, whole ? 16 : 19));
  return `${start} to ${end} UTC`;
}

/** The state with its mark. `update` writes another one. */
export function badge() {
  const mark = el("span", { "aria-hidden": "true" });
  const text = el("span");
  const element = el("span", { class: "badge" }, mark, text);
  return {
    element,
    update(one) {
      const canceled = one.error_code === "CANCELED";
      element.dataset.status = canceled ? "canceled" : one.status;
      setText(mark, canceled ? "⊘" : STATUS[one.status].mark);
      setText(text, canceled ? "canceled" : STATUS[one.status].text);
    },
  };
}

/** The progress of an export that runs, as a bar and a text. */
export function progressBar(label) {
  const bar = el("progress", { max: "100", "aria-label": label });
  const text = el("span", { class: "small" });
  const element = el("div", { class: "progress" }, bar, text);
  return {
    element,
    update(one) {
      element.hidden = !isActive(one);
      if (element.hidden) return;
      bar.hidden = one.status === "pending";
      const { percent } = one.progress ?? {};
      if (percent === undefined) bar.removeAttribute("value");
      else bar.value = percent;
      setText(text, progressText(one));
    },
  };
}

export function progressText({ status, progress = {} }) {
  if (status === "pending") {
    const { queue_position: position } = progress;
    if (position === undefined) return "In the queue";
    if (position >= 1000) return "1,000 or more exports are before it";
    return position === 1 ? "Next in the queue" : `Number ${position} in the queue`;
  }
  const { percent, rows_written: rows, estimated_seconds_remaining: left } = progress;
  const parts = [
    percent === undefined ? null : `${percent} %`,
    rows === undefined ? "Starting" : plural(rows, "row"),
    left === undefined ? null : `about ${duration(left)} left`,
  ];
  return parts.filter(Boolean).join(" · ");
}

/** What an ended export has delivered, or why it has not. */
export function resultText(one) {
  if (one.status === "failed") return one.error_code === "CANCELED" ? "Canceled before it was ready" : `${one.error_message ?? "It has no file."}`;
  if (isActive(one)) return "";
  const size = `${number(one.row_count)} ${one.row_count === 1 ? "row" : "rows"} · ${bytes(one.file_size_bytes)}`;
  return one.status === "expired" ? `${size} · the file is gone` : size;
}

/** A row of the list. */
export class Row {
  constructor(one) {
    this.name = el("a", { href: link(`exports/${one.id}`) });
    this.badge = badge();
    this.bar = progressBar("Progress");
    this.result = el("span");
    const options = [one.format ?? "csv", one.compression].filter((it) => it && it !== "none").join(", ");
    this.element = el("tr", { data: { id: one.id } },
      el("td", { "data-title": "Export" },
        this.name,
        el("div", { class: "small", text: `${one.direction}, ${options}` }),
        el("div", { class: "small", text: range(one) })),
      el("td", { "data-title": "Status" }, this.badge.element),
      el("td", { "data-title": "Result" }, this.bar.element, this.result),
      el("td", { "data-title": "Created" }, ago(one.created_at)));
    this.update(one);
  }

  update(one) {
    this.data = one;
    setText(this.name, nameOf(one));
    this.badge.update(one);
    this.bar.update(one);
    setText(this.result, resultText(one));
  }

  matches(text) {
    const { id, error_code: code } = this.data;
    return [nameOf(this.data), id, code].some((value) => value?.toLowerCase().includes(text));
  }
}

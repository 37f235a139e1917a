// The time line of one export: queued, reading, uploading, ready, download until.

import { el } from "./dom.js";
import { progressText } from "./row.js";
import { ago, bytes, duration, plural } from "./time.js";

/** The steps: each is done, now, ahead or failed. */
function steps(one) {
  const { status, progress = {}, created_at: created, started_at: started, completed_at: completed, expires_at: expires } = one;
  const failed = status === "failed";
  const hasFile = completed !== undefined;
  const running = status === "processing";
  const between = (from, to) => duration((Date.parse(to) - Date.parse(from)) / 1000);
  return [
    { name: "Queued", state: status === "pending" ? "now" : failed && !started ? "failed" : "done", time: created, text: status === "pending" ? progressText(one) : null },
    {
      name: "Reading",
      state: running ? "now" : failed && started ? "failed" : started ? "done" : "ahead",
      time: started,
      text: running && progress.rows_written !== undefined ? `${plural(progress.rows_written, "row")} so far`
        : hasFile ? `${plural(one.row_count, "row")} in ${between(started, completed)}` : null,
    },
    {
      // The file is sent while it is written, so both steps run at the same time.
      name: "Uploading",
      state: hasFile ? "done" : running && progress.bytes_written > 0 ? "now" : "ahead",
      text: hasFile ? bytes(one.file_size_bytes) : progress.bytes_written > 0 ? `${bytes(progress.bytes_written)} so far, while it reads` : null,
    },
    { name: failed ? (one.error_code === "CANCELED" ? "Canceled" : "Failed") : "Ready", state: failed ? "failed" : hasFile ? "done" : "ahead", time: completed, text: failed ? "no file was kept" : null },
    ...(failed ? [] : [{
      name: status === "expired" ? "Expired" : "Download until",
      state: status === "expired" ? "failed" : hasFile ? "now" : "ahead",
      time: expires,
      exact: true,
      text: hasFile ? null : "some days after it is ready",
    }]),
  ];
}

const SPOKEN = { done: "done", now: "now", ahead: "to come", failed: "ended here" };

/** The time line. `update` draws it again. */
export function timeline() {
  const element = el("ol", { class: "timeline", "aria-label": "Time line" });
  return {
    element,
    update(one) {
      // A failed export has nothing to come.
      const shown = steps(one).filter(({ state }) => state !== "ahead" || one.status !== "failed");
      element.replaceChildren(...shown.map(({ name, state, time, text }) => el("li", { data: { state }, "aria-current": state === "now" ? "step" : null },
        el("span", { class: "step", text: name }),
        el("span", { class: "hidden-text", text: ` (${SPOKEN[state]}) ` }),
        time ? ago(time) : null,
        text ? el("span", { class: "small", text }) : null)));
    },
  };
}

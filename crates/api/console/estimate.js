// How large the export of a form would be, asked while it is filled in.

import { call } from "./api.js";
import { debounce, el } from "./dom.js";
import { errorBox } from "./feedback.js";
import { bytes, duration, plural } from "./time.js";

const DELAY = 400;

export class Estimate {
  constructor(signal) {
    this.signal = signal;
    // People hear the estimate after a pause, not at every key.
    this.element = el("div", { class: "estimate", role: "status", "aria-live": "polite" });
    this.ask = debounce(DELAY, (request) => this.request(request));
    signal.addEventListener("abort", () => this.ask.stop());
  }

  /** Shows why there is no estimate yet. */
  wait(reason) {
    this.ask.stop();
    this.asking?.abort();
    this.say(el("p", { text: reason }));
  }

  async request(body) {
    this.asking?.abort();
    this.asking = new AbortController();
    const signal = AbortSignal.any([this.signal, this.asking.signal]);
    try {
      const { data } = await call("POST", "/v1/exports/estimate", { body, signal });
      this.show(data);
    } catch (error) {
      if (error.name === "AbortError") return;
      if (error.code === "RATE_LIMITED") this.ask(body);
      else this.say(errorBox(error));
    }
  }

  show({ row_count: rows, file_size_bytes: size, exact, duration_seconds: seconds }) {
    const about = exact ? "" : "about ";
    this.say(
      el("p", { class: "big", text: rows === 0 ? "No messages" : `${about}${plural(rows, "row")}` }),
      el("p", { text: rows === 0
        ? "Nothing matches now. The file would have only its header."
        : `about ${bytes(size)} as plain CSV, ready in about ${duration(seconds)} once it starts` }));
  }

  say(...content) {
    this.element.replaceChildren(...content);
  }
}

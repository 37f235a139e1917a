// The event stream of the project, for all views. `EventSource` cannot send a key, so this reads the body of a response.
// While the stream is broken, `refresh` tells the views to read again, with growing pauses.

import { send } from "./api.js";
import { sleep } from "./dom.js";

/** Comments come every 15 seconds; a stream that is silent for longer is dead. */
const SILENCE = 40_000;
const PAUSES = [1000, 2000, 5000, 10_000, 20_000, 30_000];
/** Browsers have few connections per host, and each tab would hold one: a hidden tab gives it back. */
const HIDDEN = 30_000;

const listeners = new Set();
let running = null;
let lastEventId = null;
let state = "off";

/** Tells about changes until the signal is aborted: `export(object)`, `deleted(id)`, `refresh()`, `state(name)`. */
export function subscribe(listener, signal) {
  listeners.add(listener);
  signal.addEventListener("abort", () => listeners.delete(listener));
  listener.state?.(state);
}

function tell(what, value) {
  if (what === "state") state = value;
  for (const listener of [...listeners]) listener[what]?.(value);
}

export function start() {
  stop();
  running = new AbortController();
  follow(running.signal);
}

export function stop() {
  running?.abort();
  running = null;
  lastEventId = null;
  tell("state", "off");
}

let hiding;
document.addEventListener("visibilitychange", () => {
  clearTimeout(hiding);
  if (document.hidden && running) {
    hiding = setTimeout(() => {
      running?.abort();
      tell("state", "paused");
    }, HIDDEN);
  } else if (!document.hidden && state === "paused") {
    running = new AbortController();
    tell("refresh");
    follow(running.signal);
  }
});

async function follow(signal) {
  for (let failures = 0; !signal.aborted;) {
    let pause = PAUSES[Math.min(failures, PAUSES.length - 1)];
    try {
      await read(signal, () => {
        // What changed while there was no stream may not be in it.
        if (failures > 0) tell("refresh");
        failures = 0;
        tell("state", "live");
      });
    } catch (error) {
      if (error.retryAfter) pause = Math.max(pause, error.retryAfter * 1000);
      if (error.status === 401) return;
    }
    if (signal.aborted) return;
    failures += 1;
    tell("state", "polling");
    await sleep(pause * (0.75 + Math.random() / 2), signal);
    if (!signal.aborted) tell("refresh");
  }
}

async function read(signal, opened) {
  const silence = new AbortController();
  let timer;
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => silence.abort(), SILENCE);
  };
  heard();
  try {
    const headers = { Accept: "text/event-stream" };
    if (lastEventId) headers["Last-Event-ID"] = lastEventId;
    const response = await send("GET", "/v1/exports/events", { headers, signal: AbortSignal.any([signal, silence.signal]) });
    opened();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      heard();
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      blocks.forEach(dispatch);
    }
  } finally {
    clearTimeout(timer);
  }
}

function dispatch(block) {
  const fields = {};
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 1).replace(/^ /, "");
  }
  if (fields.id) lastEventId = fields.id;
  if (!fields.data) return;
  const data = JSON.parse(fields.data);
  if (fields.event === "deleted") tell("deleted", data.id);
  else if (fields.event === "export") tell("export", data);
}

// What the page says about an action: announcements, errors, questions, copies.

import { el, button, newId, setText } from "./dom.js";

/** Says a text to screen readers. */
export function announce(text) {
  const region = document.getElementById("announcer");
  // The same text twice would not be read again.
  setText(region, region.textContent === text ? `${text}\u00a0` : text);
}

const ADVICE = {
  FORBIDDEN: "Sign in with a key that has the scope write. An operator creates one with exportctl admin key create.",
  RATE_LIMITED: "Wait for the time that is shown, then try again.",
  UNAVAILABLE: "The service is starting or its database is away. Try again in a moment.",
  INTERNAL_ERROR: "Try again. If it stays, give the request id to your operator.",
  NETWORK: "Check your connection and whether the service runs, then try again.",
  EXPORT_NOT_ACTIVE: "The export has changed meanwhile. Its state above is the present one.",
  EXPORT_EXPIRED: "The file is gone. Retry the export to get a new one.",
  TOO_MANY_WEBHOOKS: "Delete a webhook that nobody needs any more.",
  ENDPOINT_NOT_FOUND: "Check the ids and the direction.",
  NOT_FOUND: "It may have been deleted, or it belongs to another project.",
};

/** What an error says: its message, what to do about it, and the request id for the operator. */
export function errorBox(error) {
  const advice = ADVICE[error.code];
  const wait = error.retryAfter ? ` The service asks to wait ${error.retryAfter} s.` : "";
  return el("div", { class: "notice bad", role: "alert" },
    el("p", {}, el("strong", { text: error.message || "Something in the page failed." })),
    advice || wait ? el("p", { text: `${advice ?? ""}${wait}` }) : null,
    error.requestId
      ? el("p", { class: "small" }, "Request id: ", el("code", { text: error.requestId }), error.code ? ` (${error.code})` : "")
      : null);
}

/** Shows an error in its place; without one, the place is empty. */
export function showError(place, error) {
  if (error?.name === "AbortError") return;
  if (error && !error.code) console.error(error);
  place.replaceChildren(...(error ? [errorBox(error)] : []));
}

/** A place for an error below some buttons. */
export function errorPlace() {
  return el("div", { class: "error-place" });
}

/** A button whose action takes time: it cannot be pressed twice, and its error is shown in `place`. */
export function actionButton(text, place, action, properties = {}) {
  const pressed = async () => {
    if (made.getAttribute("aria-disabled") === "true") return;
    // Not `disabled`: the focus would be lost.
    made.setAttribute("aria-disabled", "true");
    showError(place, null);
    try {
      await action();
    } catch (error) {
      showError(place, error);
    } finally {
      made.removeAttribute("aria-disabled");
    }
  };
  const made = button(text, pressed, properties);
  return made;
}

/** Asks before something that cannot be undone. True if the person agrees. */
export function ask({ title, text, agree }) {
  return new Promise((resolve) => {
    const id = newId("question");
    let answer = false;
    const close = (agreed) => () => {
      answer = agreed;
      dialog.close();
    };
    const dialog = el("dialog", { "aria-labelledby": id, "aria-describedby": `${id}-text` },
      el("h2", { id, text: title }),
      el("p", { id: `${id}-text`, text }),
      el("div", { class: "actions" },
        button(agree, close(true), { class: "danger", data: { answer: "yes" } }),
        button("Keep it as it is", close(false), { autofocus: true, data: { answer: "no" } })));
    const before = document.activeElement;
    dialog.addEventListener("close", () => {
      dialog.remove();
      if (before?.isConnected) before.focus();
      resolve(answer);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** Copies a text, and says so. */
export async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    copyWithoutClipboard(text);
  }
  announce(`${what} copied`);
}

/** Without HTTPS, browsers have no `navigator.clipboard`. */
function copyWithoutClipboard(text) {
  const area = el("textarea", { class: "hidden-text", "aria-hidden": "true" });
  area.value = text;
  const before = document.activeElement;
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
  before?.focus();
}

/** A button that copies what `text()` returns, and says so on itself. */
export function copyButton(label, what, text, properties = {}) {
  const made = button(label, async () => {
    await copy(text(), what);
    made.textContent = "Copied";
    setTimeout(() => { made.textContent = label; }, 1500);
  }, properties);
  return made;
}

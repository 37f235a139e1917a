// Sign-in with an API key.

import { call, setKey } from "./api.js";
import { el, heading } from "./dom.js";
import { announce, errorPlace, showError } from "./feedback.js";

/** Shows the form; `done` is called once the service has accepted a key. */
export function signIn(main, reason, done) {
  const place = errorPlace();
  const input = el("input", {
    id: "key", type: "password", autocomplete: "off", spellcheck: "false", required: true, placeholder: "exk_…", "aria-describedby": "key-hint",
  });
  const submit = async (event) => {
    event.preventDefault();
    const key = input.value.trim();
    showError(place, null);
    if (!/^exk_[0-9a-fA-F]{64}$/.test(key)) {
      input.setAttribute("aria-invalid", "true");
      showError(place, { code: "KEY", message: "An API key is exk_ and 64 hexadecimal digits. Copy the whole key." });
      input.focus();
      return;
    }
    try {
      await call("GET", "/v1/exports", { query: { limit: "1" }, headers: { Authorization: `Bearer ${key}` } });
    } catch (error) {
      input.setAttribute("aria-invalid", "true");
      const known = error.status === 401
        ? Object.assign(error, { message: "The service does not accept this key. It is unknown, revoked or expired: ask your operator for a new one." })
        : error;
      showError(place, known);
      input.focus();
      return;
    }
    setKey(key);
    announce("Signed in");
    done();
  };
  if (reason) showError(place, reason);
  main.replaceChildren(
    el("div", { class: "sign-in card" },
      heading("Sign in"),
      el("p", { text: "Create exports of your messages, follow them, and download their files." }),
      el("form", { novalidate: true, on: { submit } },
        el("div", { class: "field" },
          el("label", { for: "key", text: "API key" }),
          input,
          el("p", { id: "key-hint", class: "hint", text: "The key stays in the memory of this tab. It is not stored, and a reload asks for it again. A read key can look and download; a write key can also create, cancel, retry and delete." })),
        place,
        el("div", { class: "actions" }, el("button", { type: "submit", class: "primary", text: "Sign in" })))));
  input.focus();
}

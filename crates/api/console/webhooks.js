// Webhooks: the list, a new one, and what can be done with each.

import { call } from "./api.js";
import { el, heading, newId } from "./dom.js";
import { actionButton, announce, ask, copyButton, errorPlace, showError } from "./feedback.js";
import { link } from "./router.js";
import { ago } from "./time.js";

const EVENTS = {
  "export.completed": "an export is ready",
  "export.failed": "an export has failed",
  "export.expired": "a file has expired",
};

export async function webhooksView(main, _route, signal) {
  const view = new Webhooks(signal);
  main.replaceChildren(heading("Webhooks"),
    el("p", { text: "A webhook tells your own server when exports end, so that it need not ask. Each delivery is signed." }),
    view.secret, view.list, view.form());
  await view.load();
}

class Webhooks {
  constructor(signal) {
    this.signal = signal;
    this.secret = el("div");
    this.list = el("div", { class: "webhooks" }, el("p", { class: "hint", text: "Loading…" }));
  }

  async load() {
    const { data } = await call("GET", "/v1/export-webhooks", { signal: this.signal });
    this.list.replaceChildren(...(data.length > 0 ? data.map((hook) => this.card(hook)) : [
      el("div", { class: "empty" },
        el("h2", { text: "There are no webhooks yet" }),
        el("p", { text: "Enter the address of your server below. It gets a POST request for each event, and answers 2xx." })),
    ]));
  }

  card(hook) {
    const { id, url, status, events, created_at: created } = hook;
    const title = newId("webhook");
    const place = errorPlace();
    const path = `/v1/export-webhooks/${id}`;
    const enabled = status === "enabled";
    const act = (text, name, action, properties = {}) => actionButton(text, place, action, { "aria-describedby": title, data: { action: name }, ...properties });
    const test = async () => {
      await call("POST", `${path}/test`);
      announce("A test event was sent");
      place.replaceChildren(el("p", { class: "notice good", role: "status" }, "A test event is on its way. ", el("a", { href: link(`webhooks/${id}`), text: "See its delivery" })));
    };
    const enable = async () => {
      await call("POST", `${path}/enable`);
      announce("The webhook is enabled");
      await this.reload(id);
    };
    const rotate = async () => {
      const agreed = await ask({
        title: "Set a new secret?",
        text: "For 24 hours, deliveries are signed with the old and the new secret. Give the new one to your server within that time.",
        agree: "Set a new secret",
      });
      if (!agreed) return;
      const { data } = await call("POST", `${path}/rotate`);
      this.showSecret(url, data.secret);
    };
    const remove = async () => {
      const agreed = await ask({
        title: "Delete this webhook?",
        text: `${url} gets no more events, and its deliveries are removed. This cannot be undone.`,
        agree: "Delete the webhook",
      });
      if (!agreed) return;
      await call("DELETE", path);
      announce("The webhook was deleted");
      await this.reload();
    };
    return el("article", { class: "card webhook", "aria-labelledby": title, data: { id } },
      el("div", { class: "title" },
        el("h2", { id: title, text: url, tabindex: "-1" }),
        el("span", { class: "badge", data: { status: enabled ? "completed" : "failed" } }, el("span", { "aria-hidden": "true", text: enabled ? "✓" : "✕" }), el("span", { text: status }))),
      el("p", { class: "small" }, `${events.join(", ")} · created `, ago(created)),
      enabled ? null : el("p", { class: "notice", text: "No events are sent: the server answered 410, all its deliveries failed for 5 days, or an operator has disabled it. Events that happen meanwhile are not sent later." }),
      el("div", { class: "actions" },
        enabled ? null : act("Enable", "enable", enable, { class: "primary" }),
        act("Send a test", "test", test),
        el("a", { class: "button", href: link(`webhooks/${id}`), "aria-describedby": title, data: { action: "deliveries" }, text: "Deliveries" }),
        act("New secret", "rotate", rotate),
        act("Delete", "delete", remove, { class: "danger" })),
      place);
  }

  /** Reads the list again. The buttons that were there are gone, so the focus goes to the webhook, or to the heading. */
  async reload(id) {
    await this.load();
    const card = id && this.list.querySelector(`[data-id="${CSS.escape(id)}"] h2`);
    (card || document.querySelector("h1")).focus();
  }

  showSecret(url, secret) {
    const title = el("h2", { tabindex: "-1", text: "Keep this secret now" });
    const done = actionButton("I have stored it", errorPlace(), () => {
      this.secret.replaceChildren();
      document.querySelector("h1").focus();
    }, { data: { action: "stored" } });
    this.secret.replaceChildren(el("section", { class: "card secret", "aria-label": "The secret of a webhook" },
      title,
      el("p", { text: `It verifies the signatures of deliveries to ${url}. It is not shown again; a new one can be set at any time.` }),
      el("pre", { tabindex: "0" }, el("code", { text: secret })),
      el("div", { class: "actions" }, copyButton("Copy secret", "Secret", () => secret, { class: "primary", data: { action: "copy-secret" } }), done)));
    title.focus();
  }

  form() {
    const place = errorPlace();
    const url = el("input", { id: "url", type: "url", required: true, placeholder: "https://example.com/webhooks", autocomplete: "off", "aria-describedby": "url-hint" });
    const boxes = Object.entries(EVENTS).map(([name, text]) => {
      const box = el("input", { type: "checkbox", value: name, checked: name !== "export.expired" });
      return { box, element: el("label", { class: "check" }, box, el("span", {}, el("code", { text: name }), ` – ${text}`)) };
    });
    const create = async () => {
      const events = boxes.filter(({ box }) => box.checked).map(({ box }) => box.value);
      try {
        const { data } = await call("POST", "/v1/export-webhooks", { body: { url: url.value.trim(), events } });
        url.value = "";
        url.removeAttribute("aria-invalid");
        await this.load();
        this.showSecret(data.url, data.secret);
      } catch (error) {
        if (error.status === 400) url.setAttribute("aria-invalid", "true");
        showError(place, error);
      }
    };
    const submit = actionButton("Create webhook", place, create, { class: "primary", data: { action: "create-webhook" } });
    return el("section", { class: "card", "aria-labelledby": "new-webhook" },
      el("h2", { id: "new-webhook", text: "New webhook" }),
      el("form", { novalidate: true, on: { submit: (event) => { event.preventDefault(); submit.click(); } } },
        el("div", { class: "field" },
          el("label", { for: "url", text: "Address of your server" }), url,
          el("p", { id: "url-hint", class: "hint", text: "It must begin with https:// and be reachable from the internet, unless your operator allows a network." })),
        el("fieldset", {}, el("legend", { text: "Tell it when" }), boxes.map(({ element }) => element)),
        place,
        el("div", { class: "actions" }, submit)));
  }
}

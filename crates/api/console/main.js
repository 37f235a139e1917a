// The page: which view is open, signing in and out, the navigation.

import { setKey, signedIn } from "./api.js";
import { createView } from "./create.js";
import { deliveriesView } from "./deliveries.js";
import { detailView } from "./detail.js";
import { el, heading } from "./dom.js";
import { showError } from "./feedback.js";
import { listView } from "./list.js";
import * as live from "./live.js";
import { recordRates } from "./chart.js";
import { route } from "./router.js";
import { signIn } from "./signin.js";
import { webhooksView } from "./webhooks.js";

const main = document.getElementById("main");
const nav = document.getElementById("nav");
const session = document.getElementById("session");

let view = new AbortController();
let shown = "";

/** Opens the view of the address. */
async function open({ reason } = {}) {
  view.abort();
  view = new AbortController();
  const { signal } = view;
  nav.hidden = session.hidden = !signedIn();
  if (!signedIn()) {
    shown = "";
    signIn(main, reason, () => {
      live.start();
      open();
    });
    return;
  }
  const current = route();
  markCurrent(current);
  const render = viewOf(current);
  const name = `${current.view}/${current.id}/${current.query.get("cursor")}`;
  const isNew = shown !== name;
  shown = name;
  try {
    await render(main, current, signal);
  } catch (error) {
    if (signal.aborted) return;
    const place = el("div");
    showError(place, error);
    main.replaceChildren(heading("This view could not be loaded"), place,
      el("p", {}, el("a", { class: "button", href: "#/exports", text: "All exports" })));
  }
  // Screen readers start at the heading of a new view.
  if (isNew && !signal.aborted && !main.contains(document.activeElement)) main.querySelector("h1")?.focus();
}

function viewOf({ view: name, id }) {
  if (name === "exports") return id ? detailView : listView;
  if (name === "new") return createView;
  if (name === "webhooks") return id ? deliveriesView : webhooksView;
  return () => {
    main.replaceChildren(heading("There is no such view"), el("p", {}, el("a", { href: "#/exports", text: "All exports" })));
  };
}

function markCurrent({ view: name }) {
  for (const anchor of nav.querySelectorAll("a")) {
    if (anchor.getAttribute("href") === `#/${name}`) anchor.setAttribute("aria-current", "page");
    else anchor.removeAttribute("aria-current");
  }
}

function signOut(reason) {
  setKey(null);
  live.stop();
  open({ reason });
}

const STATES = {
  live: ["Live", "Changes appear at once."],
  polling: ["Reconnecting", "The event stream is interrupted. The page reads again from time to time."],
  paused: ["Paused", "The tab was in the background."],
  off: ["", ""],
};

live.subscribe({
  state(name) {
    const element = document.getElementById("live");
    const [text, title] = STATES[name];
    element.textContent = text;
    element.title = title;
    element.dataset.state = name;
  },
}, new AbortController().signal);

document.getElementById("sign-out").addEventListener("click", () => signOut());
document.getElementById("skip").addEventListener("click", (event) => {
  // The address is that of the view: `#main` would replace it.
  event.preventDefault();
  main.focus();
});
window.addEventListener("unauthorized", ({ detail }) => {
  signOut(Object.assign(detail, { message: "The key is no longer valid: it was revoked, or it has expired. Sign in with another one." }));
});
recordRates();
window.addEventListener("hashchange", () => open());
open();

// The files of an export: links, downloads, the manifest.

import { call } from "./api.js";
import { el } from "./dom.js";
import { actionButton, announce, copy, errorPlace } from "./feedback.js";
import { bytes, number } from "./time.js";

async function linkOf(id, file) {
  const { data } = await call("GET", `/v1/exports/${id}/download`, { query: { redirect: "false", file: file && String(file) } });
  return data;
}

/** Lets the browser download a file. The link needs no key, and the store sends it as an attachment. */
export async function download(id, file) {
  const { url } = await linkOf(id, file);
  save(url, "");
  announce("The download has started");
}

/** Copies a link that works without a key, for 15 minutes at most. */
export async function copyLink(id, file) {
  const { url, expires_at: until } = await linkOf(id, file);
  await copy(url, `Link, valid until ${new Date(until).toLocaleTimeString()},`);
}

/** Saves the manifest as a file. */
export async function manifest(id) {
  const { data } = await call("GET", `/v1/exports/${id}/manifest`);
  const url = URL.createObjectURL(new Blob([JSON.stringify(data, null, 2), "\n"], { type: "application/json" }));
  save(url, `manifest-${id}.json`);
  // The browser needs the address until it has begun to read.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
  announce("The manifest was saved");
}

function save(url, name) {
  // A link of the store that fails must not replace this page, because the key would be lost with it.
  const elsewhere = url.startsWith("http") && new URL(url).origin !== location.origin;
  const anchor = el("a", { href: url, download: name, target: elsewhere ? "_blank" : null, rel: "noopener noreferrer", hidden: true });
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
}

/** The files of a split export. */
export class Files {
  constructor(id) {
    this.id = id;
    this.shown = "";
    this.element = el("section", { class: "card", "aria-label": "Files", hidden: true });
  }

  update({ files, status }) {
    const known = status === "completed" && files ? JSON.stringify(files) : "";
    if (known === this.shown) return;
    this.shown = known;
    this.element.hidden = !known;
    const place = errorPlace();
    this.element.replaceChildren(...(known ? [
      el("h2", { text: `${number(files.length)} ${files.length === 1 ? "file" : "files"}` }),
      place,
      el("table", { class: "files" },
        el("thead", {}, el("tr", {}, ["File", "Rows", "Size", "Actions"].map((text) => el("th", { scope: "col", text })))),
        el("tbody", {}, files.map((file) => this.row(file, place)))),
    ] : []));
  }

  row({ number: index, name, row_count: rows, file_size_bytes: size, sha256 }, place) {
    return el("tr", {},
      el("td", { "data-title": "File" }, el("span", { text: name, title: `SHA-256 ${sha256}` })),
      el("td", { "data-title": "Rows", text: number(rows) }),
      el("td", { "data-title": "Size", text: bytes(size) }),
      el("td", { "data-title": "Actions" }, el("div", { class: "actions" },
        actionButton("Download", place, () => download(this.id, index), { "aria-label": `Download file ${index}`, data: { file: String(index), action: "download-file" } }),
        actionButton("Copy link", place, () => copyLink(this.id, index), { "aria-label": `Copy the link of file ${index}`, data: { file: String(index), action: "link-file" } }))));
  }
}

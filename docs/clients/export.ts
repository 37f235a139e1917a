// Creates an export, waits for it, downloads its file, and lists the completed exports. Needs Node.js 22.18 or later,
// and no packages.
//
//   EXPORTS_API_URL=https://… EXPORTS_API_KEY=exk_… node export.ts 2025-12-01T00:00:00Z 2025-12-07T00:00:00Z

import { createHash, randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";

interface Export {
  id: string;
  status: "pending" | "processing" | "completed" | "failed" | "expired";
  row_count?: number;
  sha256?: string;
  error_code?: string;
  error_message?: string;
}

interface Page {
  data: Export[];
  meta: { has_more: boolean; next_cursor?: string };
}

/** A response that is an error. Tell support its request id. */
class ApiError extends Error {
  status: number;
  code: string;
  requestId: string;

  constructor(status: number, body: { error: { code: string; message: string }; meta: { request_id: string } }) {
    super(`${body.error.code}: ${body.error.message} (request ${body.meta.request_id})`);
    this.status = status;
    this.code = body.error.code;
    this.requestId = body.meta.request_id;
  }
}

const RETRYABLE = [429, 500, 502, 503, 504];
const ATTEMPTS = 6;

/** Sends a request. Repeats it after 429, 5xx and broken connections, so a create needs an idempotency key. */
async function call<T>(method: string, path: string, headers: Record<string, string> = {}, body?: object): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    let delay = 2 ** attempt;
    try {
      const response = await fetch(process.env.EXPORTS_API_URL + path, {
        method,
        headers: { Authorization: `Bearer ${process.env.EXPORTS_API_KEY}`, ...headers },
        body: body && JSON.stringify(body),
      });
      if (response.ok) return (await response.json()) as T;
      const error = new ApiError(response.status, await response.json());
      if (!RETRYABLE.includes(response.status) || attempt === ATTEMPTS) throw error;
      delay = Number(response.headers.get("Retry-After") ?? delay);
    } catch (error) {
      if (error instanceof ApiError || attempt === ATTEMPTS) throw error;
    }
    await sleep(delay * 1000);
  }
}

async function create(start: string, end: string): Promise<Export> {
  const request = { start_time: start, end_time: end };
  const created = await call<{ data: Export }>("POST", "/v1/exports", { "Idempotency-Key": randomUUID() }, request);
  return created.data;
}

/** Each response comes as soon as the export has ended, or after 30 seconds. */
async function wait(export_: Export): Promise<Export> {
  while (export_.status === "pending" || export_.status === "processing") {
    export_ = (await call<{ data: Export }>("GET", `/v1/exports/${export_.id}?wait=30`)).data;
  }
  if (export_.status !== "completed") throw new Error(`${export_.error_code}: ${export_.error_message}`);
  return export_;
}

/** The link leads to another host, which must not get the API key: so this is a request without it. */
async function download(export_: Export): Promise<string> {
  const link = await call<{ data: { url: string } }>("GET", `/v1/exports/${export_.id}/download?redirect=false`);
  const response = await fetch(link.data.url);
  if (!response.ok || !response.body) throw new Error(`The store answers ${response.status}`);
  const name = `export-${export_.id}.csv`;
  const digest = createHash("sha256");
  const body = Readable.fromWeb(response.body).on("data", (chunk) => digest.update(chunk));
  await pipeline(body, createWriteStream(name));
  if (digest.digest("hex") !== export_.sha256) throw new Error(`${name} is damaged`);
  return name;
}

async function* completed(): AsyncGenerator<Export, void, undefined> {
  const query = new URLSearchParams({ status: "completed", limit: "100" });
  for (;;) {
    const page = await call<Page>("GET", `/v1/exports?${query}`);
    yield* page.data;
    if (!page.meta.next_cursor) return;
    query.set("cursor", page.meta.next_cursor);
  }
}

try {
  const [start, end] = process.argv.slice(2);
  console.log(await download(await wait(await create(start, end))));
  for await (const { id, row_count } of completed()) console.log(`${id}\t${row_count}`);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

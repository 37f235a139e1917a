// Requests to the API. The key is only in this variable: a reload or another tab asks for it again.

/** The address of the API: this file is at `<address>/console/api.js`. */
export const BASE = new URL("..", import.meta.url);

const TIMEOUT = 35_000;

let key = null;

export function signedIn() {
  return key !== null;
}

export function setKey(value) {
  key = value;
}

/** An error of the API, or of the way to it (`NETWORK`). */
export class ApiError extends Error {
  constructor({ status = 0, code = "NETWORK", message, requestId, retryAfter }) {
    super(message);
    this.name = "ApiError";
    Object.assign(this, { status, code, requestId, retryAfter });
  }
}

/** The address of a path, with the query parameters that have a value. */
export function address(path, query = {}) {
  const url = new URL(path.replace(/^\//, ""), BASE);
  for (const [name, value] of Object.entries(query)) {
    if (value) url.searchParams.set(name, value);
  }
  return url;
}

/** Sends a request and returns `data` and `meta`. */
export async function call(method, path, { query, body, headers, signal } = {}) {
  const response = await send(method, path, { query, body, headers, signal: within(TIMEOUT, signal) });
  if (response.status === 204) return {};
  try {
    return await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError({ message: "The answer is incomplete, or not from the service." });
  }
}

/** Sends a request and returns the response. A status of 400 or more is an `ApiError`. */
export async function send(method, path, { query, body, headers, signal } = {}) {
  let response;
  try {
    response = await fetch(address(path, query), {
      method,
      signal,
      headers: { Authorization: `Bearer ${key}`, Accept: "application/json", ...headers },
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "omit",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError({ message: error.name === "TimeoutError" ? "The service did not answer in time." : "The service cannot be reached." });
  }
  if (response.ok) return response;
  throw await errorOf(response);
}

async function errorOf(response) {
  // A proxy in front of the service may answer with something else.
  const answer = await response.json().catch(() => ({}));
  const error = new ApiError({
    status: response.status,
    code: answer.error?.code ?? `HTTP_${response.status}`,
    message: answer.error?.message ?? `The service answered ${response.status}.`,
    requestId: answer.meta?.request_id ?? response.headers.get("X-Request-Id") ?? undefined,
    retryAfter: Number(response.headers.get("Retry-After")) || undefined,
  });
  if (error.status === 401 && key !== null) window.dispatchEvent(new CustomEvent("unauthorized", { detail: error }));
  return error;
}

function within(milliseconds, signal) {
  const timeout = AbortSignal.timeout(milliseconds);
  return signal ? AbortSignal.any([signal, timeout]) : timeout;
}

/** A value for `Idempotency-Key`. `crypto.randomUUID` would need HTTPS. */
export function newIdempotencyKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return `console-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

// The address: `#/exports?status=failed`. The view and its filters are in it, so that a reload, a bookmark and the back button work.
// After `#`, nothing is sent to the server.

/** The view, its id if it has one, and the query. */
export function route() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [view = "", id = null] = path.split("/");
  return { view: view || "exports", id, query: new URLSearchParams(query) };
}

/** The address of a view. */
export function link(path, query = {}) {
  const parameters = new URLSearchParams(Object.entries(query).filter(([, value]) => value));
  const text = parameters.toString();
  return `#/${path}${text ? `?${text}` : ""}`;
}

/** Opens a view. */
export function go(path, query) {
  location.hash = link(path, query);
}

/** Changes the query without a new entry in the history. */
export function replaceQuery(path, query) {
  history.replaceState(null, "", link(path, query));
}

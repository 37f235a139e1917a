// The command line that sends a request. It has a variable instead of the key, so that it can be shared.

import { address } from "./api.js";

export function curlLine(path, body) {
  return [
    `curl -fsS ${quoted(address(path).href)}`,
    '-H "Authorization: Bearer $EXPORTS_KEY"',
    `-d ${quoted(JSON.stringify(body, null, 2))}`,
  ].join(" \\\n  ");
}

/** In single quotes, a shell changes nothing; a single quote itself needs another kind of quotes. */
function quoted(text) {
  return `'${text.replaceAll("'", "'\"'\"'")}'`;
}

#!/usr/bin/env bash
# Creates an export, waits for it, downloads its file, and lists the completed exports. Needs curl and jq.
#
#   EXPORTS_API_URL=https://… EXPORTS_API_KEY=exk_… ./export.sh 2025-12-01T00:00:00Z 2025-12-07T00:00:00Z
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# Sends a request and prints the response. curl repeats it after 429, 5xx and refused connections, and waits as long as
# Retry-After says. Another error is shown with its request id.
api() { # method, path, options of curl
    if ! curl -sS --fail-with-body --retry 5 --retry-connrefused -o "$folder/body" -X "$1" "$EXPORTS_API_URL$2" \
        -H "Authorization: Bearer $EXPORTS_API_KEY" "${@:3}" 2>"$folder/error"; then
        jq -r '"\(.error.code): \(.error.message) (request \(.meta.request_id))"' "$folder/body" >&2 2>/dev/null ||
            cat "$folder/error" >&2
        return 1
    fi
    cat "$folder/body"
}

# With the key, a repeated request does not create a second export.
key=$(openssl rand -hex 16)
request=$(jq -n --arg from "$1" --arg to "$2" '{start_time: $from, end_time: $to}')
export=$(api POST /v1/exports -H "Idempotency-Key: $key" -d "$request")
id=$(jq -r .data.id <<<"$export")

# Each response comes as soon as the export has ended, or after 30 seconds.
while [[ $(jq -r .data.status <<<"$export") == @(pending|processing) ]]; do
    export=$(api GET "/v1/exports/$id?wait=30")
done
if [ "$(jq -r .data.status <<<"$export")" != completed ]; then
    jq -r '"\(.data.error_code): \(.data.error_message)"' <<<"$export" >&2
    exit 1
fi

# curl does not send the API key to the other host that the redirect leads to.
file=export-$id.csv
api GET "/v1/exports/$id/download" -L >"$file"
jq -r --arg file "$file" '"\(.data.sha256)  \($file)"' <<<"$export" | sha256sum --check --quiet
echo "$file"

cursor=
while :; do
    page=$(api GET "/v1/exports?status=completed&limit=100$cursor")
    jq -r '.data[] | "\(.id)\t\(.row_count)"' <<<"$page"
    cursor=$(jq -r '.meta.next_cursor // empty | "&cursor=\(@uri)"' <<<"$page")
    [ -n "$cursor" ] || break
done

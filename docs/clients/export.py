"""Creates an export, waits for it, downloads its file, and lists the completed exports. Needs httpx.

EXPORTS_API_URL=https://… EXPORTS_API_KEY=exk_… python export.py 2025-12-01T00:00:00Z 2025-12-07T00:00:00Z
"""

import hashlib
import os
import sys
import time
import uuid
from collections.abc import Iterator

import httpx

RETRYABLE = {429, 500, 502, 503, 504}
ATTEMPTS = 6


class ApiError(Exception):
    """A response that is an error. Tell support its request id."""

    def __init__(self, response: httpx.Response) -> None:
        body = response.json()
        self.status = response.status_code
        self.code = body["error"]["code"]
        self.request_id = body["meta"]["request_id"]
        super().__init__(f"{self.code}: {body['error']['message']} (request {self.request_id})")


def call(api: httpx.Client, method: str, path: str, **options) -> httpx.Response:
    """Sends a request. Repeats it after 429, 5xx and broken connections, so a create needs an idempotency key."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            response = api.request(method, path, **options)
        except httpx.TransportError:
            if attempt == ATTEMPTS:
                raise
            time.sleep(2**attempt)
            continue
        if response.status_code < 400:
            return response
        if attempt == ATTEMPTS or response.status_code not in RETRYABLE:
            raise ApiError(response)
        time.sleep(float(response.headers.get("Retry-After", 2**attempt)))
    raise AssertionError("unreachable")


def create(api: httpx.Client, start: str, end: str) -> dict:
    key = {"Idempotency-Key": str(uuid.uuid4())}
    return call(api, "POST", "/v1/exports", headers=key, json={"start_time": start, "end_time": end}).json()["data"]


def wait(api: httpx.Client, export: dict) -> dict:
    """Each response comes as soon as the export has ended, or after 30 seconds."""
    while export["status"] in ("pending", "processing"):
        export = call(api, "GET", f"/v1/exports/{export['id']}", params={"wait": 30}).json()["data"]
    if export["status"] != "completed":
        raise RuntimeError(f"{export.get('error_code')}: {export.get('error_message')}")
    return export


def download(api: httpx.Client, export: dict) -> str:
    """The redirect leads to another host, which must not get the API key: so this is a request without it."""
    link = call(api, "GET", f"/v1/exports/{export['id']}/download").headers["Location"]
    name = f"export-{export['id']}.csv"
    digest = hashlib.sha256()
    with httpx.stream("GET", link) as response, open(name, "wb") as file:
        if response.status_code != 200:
            raise RuntimeError(f"The store answers {response.status_code}")
        for chunk in response.iter_raw():
            digest.update(chunk)
            file.write(chunk)
    if digest.hexdigest() != export["sha256"]:
        raise RuntimeError(f"{name} is damaged")
    return name


def completed(api: httpx.Client) -> Iterator[dict]:
    parameters = {"status": "completed", "limit": 100}
    while True:
        page = call(api, "GET", "/v1/exports", params=parameters).json()
        yield from page["data"]
        if not page["meta"]["has_more"]:
            return
        parameters["cursor"] = page["meta"]["next_cursor"]


def main() -> None:
    headers = {"Authorization": f"Bearer {os.environ['EXPORTS_API_KEY']}"}
    # Longer than the longest wait.
    with httpx.Client(base_url=os.environ["EXPORTS_API_URL"], headers=headers, timeout=60) as api:
        print(download(api, wait(api, create(api, sys.argv[1], sys.argv[2]))))
        for export in completed(api):
            print(export["id"], export["row_count"], sep="\t")


if __name__ == "__main__":
    try:
        main()
    except (ApiError, RuntimeError, httpx.HTTPError) as error:
        sys.exit(str(error))

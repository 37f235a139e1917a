"""Uses the generated client: create, poll, list, errors. Arguments: the address of the API, and a key."""

import datetime
import sys
import time

from message_exports_client import AuthenticatedClient
from message_exports_client.api.exports import create_export, download_export, get_export, list_exports
from message_exports_client.models import CreateExport, DownloadLink, ErrorCode, ErrorResponse, ExportStatus

UTC = datetime.timezone.utc
START = datetime.datetime(2025, 12, 1, tzinfo=UTC)
END = datetime.datetime(2025, 12, 7, tzinfo=UTC)


def equal(given, expected) -> None:
    assert given == expected, f"{given!r} is not {expected!r}"


address, key = sys.argv[1:]
with AuthenticatedClient(base_url=address, token=key) as client:
    body = CreateExport(start_time=START, end_time=END)
    created = create_export.sync(client=client, body=body, idempotency_key="generated")
    again = create_export.sync_detailed(client=client, body=body, idempotency_key="generated")
    equal(again.parsed.data.id, created.data.id)
    equal(again.headers["Idempotency-Replayed"], "true")

    deadline = time.monotonic() + 60
    export = created.data
    while export.status in (ExportStatus.PENDING, ExportStatus.PROCESSING):
        assert time.monotonic() < deadline, export
        export = get_export.sync(id=export.id, client=client, wait=10).data
    equal(export.status, ExportStatus.COMPLETED)
    equal(export.row_count, 2500)
    equal(export.filter_start_time, START)

    create_export.sync(client=client, body=body)
    first = list_exports.sync(client=client, limit=1)
    assert first.meta.has_more
    second = list_exports.sync(client=client, limit=1, cursor=first.meta.next_cursor)
    equal(second.data[0].id, export.id)
    assert not second.meta.has_more

    link = download_export.sync(id=export.id, client=client, redirect=False)
    assert isinstance(link.data, DownloadLink), link
    assert link.data.url.startswith("http"), link

    refused = create_export.sync_detailed(client=client, body=CreateExport(start_time=END, end_time=START))
    equal(refused.status_code, 400)
    assert isinstance(refused.parsed, ErrorResponse)
    equal(refused.parsed.error.code, ErrorCode.INVALID_REQUEST)
    equal(refused.parsed.meta.request_id, refused.headers["X-Request-Id"])

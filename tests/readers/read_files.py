#!/usr/bin/env python3
"""Reads whole files of every format and compression with readers that are not ours.

Creates the exports through the API, downloads them, and checks:

- gzip and zstd files have the bytes of the plain file, also for readers that stop after the first
  member or frame, and end where the member or frame ends;
- pyarrow, polars and DuckDB read all rows of every file;
- the rows of CSV, JSON Lines and Parquet are equal, value by value and in the same order.

`scripts/check-readers` runs it on example messages.
"""

import argparse
import gzip
import hashlib
import json
import pathlib
import subprocess
import sys
import time
import urllib.request
import zlib

import duckdb
import polars
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet
import zstandard

DIRECTIONS = {
    "outbound": "message_id endpoint_id endpoint status attempt_count created_at delivered_at "
    "next_attempt_at response_status response_latency_ms last_error",
    "inbound": "message_id inbound_endpoint_id endpoint status attempt_count received_at delivered_at "
    "next_attempt_at response_status response_latency_ms total_delivery_ms last_error",
}
TIMES = {"created_at", "received_at", "delivered_at", "next_attempt_at"}
TEXT_FORMATS = ["csv", "jsonl"]
CODECS = ["zstd", "snappy", "gzip", "none"]
ENDINGS = {"none": "", "gzip": ".gz", "zstd": ".zst"}
PIECE = 1 << 20


class Api:
    def __init__(self, address, key):
        self.address = address
        self.headers = {"Authorization": f"Bearer {key}"}

    def request(self, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        return urllib.request.urlopen(urllib.request.Request(self.address + path, data, self.headers))

    def export(self, body):
        """Waits for the export and returns it."""
        with self.request("/v1/exports", body) as answer:
            export = json.load(answer)["data"]
        while export["status"] in ("pending", "processing"):
            with self.request(f"/v1/exports/{export['id']}?wait=30") as answer:
                export = json.load(answer)["data"]
        assert export["status"] == "completed", export
        return export

    def download(self, export, file):
        with self.request(f"/v1/exports/{export['id']}/download") as answer, open(file, "wb") as out:
            while piece := answer.read(PIECE):
                out.write(piece)
        assert sha256(open(file, "rb")) == export["sha256"], f"{file}: another SHA-256"


def sha256(stream):
    digest = hashlib.sha256()
    while piece := stream.read(PIECE):
        digest.update(piece)
    return digest.hexdigest()


def check(what, condition):
    if not condition:
        sys.exit(f"FAILED: {what}")
    print(f"ok: {what}", flush=True)


def unpack_gzip(file, plain):
    name = file.name
    with gzip.open(file) as stream:
        check(f"Python's gzip unpacks {name}", sha256(stream) == plain)
    # zlib stops at the end of the first member.
    member, digest = zlib.decompressobj(wbits=31), hashlib.sha256()
    with open(file, "rb") as stream:
        while piece := stream.read(PIECE):
            digest.update(member.decompress(piece))
    whole = member.eof and not member.unused_data and digest.hexdigest() == plain
    check(f"zlib finds one member in {name}", whole)
    check(f"gzip -t accepts {name}", subprocess.run(["gzip", "-t", file]).returncode == 0)


def unpack_zstd(file, plain):
    name = file.name
    with open(file, "rb") as stream:
        # It stops at the end of the first frame.
        frame, digest = zstandard.ZstdDecompressor().decompressobj(), hashlib.sha256()
        while piece := stream.read(PIECE):
            digest.update(frame.decompress(piece))
        whole = frame.eof and not frame.unused_data and digest.hexdigest() == plain
    check(f"zstandard finds one frame in {name}", whole)
    with open(file, "rb") as packed:
        stream = zstandard.ZstdDecompressor().stream_reader(packed)
        check(f"zstandard streams {name}", sha256(stream) == plain)
    check(f"zstd -t accepts {name}", subprocess.run(["zstd", "-q", "-t", file]).returncode == 0)


def read_csv_with_pyarrow(file):
    # An error may have line breaks.
    options = pyarrow.csv.ParseOptions(newlines_in_values=True)
    with pyarrow.input_stream(str(file), compression="detect") as stream:
        return pyarrow.csv.read_csv(stream, parse_options=options).num_rows


def read_json_with_pyarrow(file):
    with pyarrow.input_stream(str(file), compression="detect") as stream:
        return pyarrow.json.read_json(stream).num_rows


def rows_of(file, name):
    """The number of rows that each library finds."""
    if ".csv" in name:
        yield "pyarrow", read_csv_with_pyarrow(file)
        yield "polars", polars.read_csv(file, infer_schema=False).height
        yield "DuckDB", count(f"read_csv('{file}', all_varchar=true)")
    elif ".jsonl" in name:
        yield "pyarrow", read_json_with_pyarrow(file)
        yield "polars", polars.read_ndjson(file, infer_schema_length=None).height
        yield "DuckDB", count(f"read_json('{file}')")
    else:
        yield "pyarrow", pyarrow.parquet.read_table(file).num_rows
        yield "polars", polars.read_parquet(file).height
        yield "DuckDB", count(f"read_parquet('{file}')")


def count(source):
    # COUNT(*) alone would not decode the columns.
    return number(f"SELECT count(*) FROM (SELECT hash(COLUMNS(*)) FROM {source})")


def number(query):
    return duckdb.execute(query).fetchall()[0][0]


def as_text(column, source):
    """A column as the text of the CSV, in which an empty text is the same as none."""
    if source == "parquet" and column in TIMES:
        column = f"strftime({column} AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ') AS {column}"
        return column
    return f"nullif({column}::VARCHAR, '') AS {column}"


def compare(direction, files):
    """The three formats in DuckDB, as text."""
    columns = DIRECTIONS[direction].split()
    types = "{" + ", ".join(f"'{column}': 'VARCHAR'" for column in columns) + "}"
    sources = {
        "csv": f"read_csv('{files['csv']}', all_varchar=true, header=true, delim=',', quote='\"', escape='\"')",
        "jsonl": f"read_json('{files['jsonl']}', format='newline_delimited', columns={types})",
        "parquet": f"read_parquet('{files['parquet']}')",
    }
    for source, read in sources.items():
        described = [column for column, *_ in duckdb.execute(f"DESCRIBE SELECT * FROM {read}").fetchall()]
        check(f"{direction} {source} has the columns of the contract", described == columns)
        selected = ", ".join(as_text(column, source) for column in columns)
        duckdb.execute(f"CREATE OR REPLACE TABLE {source} AS SELECT {selected} FROM {read}")
    for one, other in [("csv", "jsonl"), ("jsonl", "parquet"), ("parquet", "csv")]:
        for left, right in [(one, other), (other, one)]:
            missing = number(f"SELECT count(*) FROM (SELECT * FROM {left} EXCEPT ALL SELECT * FROM {right})")
            check(f"{direction}: every row of {left} is in {right}", missing == 0)
        different = " OR ".join(f"a.{column} IS DISTINCT FROM b.{column}" for column in columns)
        moved = number(f"SELECT count(*) FROM {one} a POSITIONAL JOIN {other} b WHERE {different}")
        check(f"{direction}: {one} and {other} have the same order", moved == 0)


def check_direction(api, direction, arguments):
    wanted = [(format, packed) for format in TEXT_FORMATS for packed in ENDINGS]
    wanted += [("parquet", codec) for codec in CODECS]
    plain, files = {}, {}
    for format, compression in wanted:
        body = {
            "start_time": arguments.start,
            "end_time": arguments.end,
            "direction": direction,
            "format": format,
            "compression": compression,
        }
        if format == "csv":
            # The guard changes texts, and other formats have none.
            body["csv"] = {"formula_guard": False}
        begun = time.monotonic()
        export = api.export(body)
        ending = f".{compression}.parquet" if format == "parquet" else f".{format}{ENDINGS[compression]}"
        file = arguments.folder / f"{direction}{ending}"
        api.download(export, file)
        rows, name = export["row_count"], file.name
        print(f"{name}: {rows} rows, {file.stat().st_size} bytes, {time.monotonic() - begun:.1f} s")
        files.setdefault(format, file)
        if compression == "none":
            plain[format] = export["sha256"]
        elif compression == "gzip" and format != "parquet":
            unpack_gzip(file, plain[format])
        elif compression == "zstd" and format != "parquet":
            unpack_zstd(file, plain[format])
        for library, read in rows_of(file, name):
            check(f"{library} reads {read} rows of {name}", read == rows)
    compare(direction, files)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--api", required=True, help="http://127.0.0.1:port")
    parser.add_argument("--key", required=True, help="a key with the scope write")
    parser.add_argument("--start", default="2025-12-01T00:00:00Z")
    parser.add_argument("--end", default="2025-12-31T00:00:00Z")
    parser.add_argument("--folder", type=pathlib.Path, required=True, help="where the files are written")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    api = Api(arguments.api, arguments.key)
    versions = [duckdb, pyarrow, polars, zstandard]
    print(", ".join(f"{library.__name__} {library.__version__}" for library in versions))
    for direction in DIRECTIONS:
        check_direction(api, direction, arguments)


if __name__ == "__main__":
    main()

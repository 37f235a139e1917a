"""Lets DuckDB write one Parquet file from tables of PostgreSQL: `duckdb.py URL QUERY FILE`.

Prints a line of JSON. The time is that of the statement, not that of the start. The extension comes
from a package: DuckDB's own installation would download it. DuckDB checks its signature.
"""

import json
import pathlib
import resource
import sys
import time

import duckdb

url, query, file = sys.argv[1:]
packages = pathlib.Path(duckdb.__file__).parent.parent
(extension,) = packages.glob("duckdb_ext/extensions/*/*/postgres_scanner.duckdb_extension")

connection = duckdb.connect(config={"autoinstall_known_extensions": False})
# It would be in the output.
connection.execute("SET enable_progress_bar = false")
connection.execute(f"LOAD '{extension}'")
connection.execute(f"ATTACH '{url}' AS pg (TYPE postgres, READ_ONLY)")
begun = time.monotonic()
copied = connection.execute(f"COPY ({query}) TO '{file}' (FORMAT parquet, COMPRESSION zstd)")
(rows,) = copied.fetchone()
seconds = time.monotonic() - begun
# In KiB on Linux.
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"seconds": seconds, "rows": rows, "peak_memory": peak}))

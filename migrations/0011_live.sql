-- What consumers see of an export while it runs, and when its file's snapshot was taken.
--
-- The programs of the previous release write none of this and keep working.

-- When the snapshot of the file was taken, by the clock of the source database: rows that were committed later
-- are not in the file. Null while there is no file, and for files of earlier releases.
ALTER TABLE exports ADD COLUMN snapshot_at timestamptz;

-- How far a running attempt has come. Its worker writes the row about once a second, for the first time when
-- the attempt has run for a second, so small exports have none. It is a table of its own because a row of
-- exports is wide and a claim, a heartbeat and a completion update that one.
CREATE TABLE export_progress (
    -- No foreign key: it would lock the row of the export at every write. A row that is left over is removed
    -- by a sweep, and is never shown, because its token is not that of the export any more.
    export_id         uuid        PRIMARY KEY,
    -- The attempt. Figures of an earlier attempt are never shown.
    lease_token       uuid        NOT NULL,
    rows_written      bigint      NOT NULL CHECK (rows_written >= 0),
    bytes_written     bigint      NOT NULL CHECK (bytes_written >= 0),
    -- Null: unknown. It never decreases within an attempt.
    percent           smallint    CHECK (percent BETWEEN 0 AND 99),
    -- Null: unknown.
    seconds_remaining integer     CHECK (seconds_remaining >= 0),
    updated_at        timestamptz NOT NULL
)
-- Every second one update, of no indexed column. With room on the page it stays a heap-only update.
WITH (fillfactor = 30, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 1000);

-- The exports: what consumers see, and the queue that workers take from.
--
-- pending     queued; due_at says from when on a worker may take it
-- processing  a worker holds it by lease_token until lease_expires_at; then anyone may take it over
-- completed   the file is in the object store under object_key, until expires_at
-- failed      there is no file; error_code and error_message say why
-- expired     there was a file; what it was stays
--
-- pending -> processing -> completed -> expired; processing -> processing (takeover), pending
-- (retry, shutdown) or failed. Nothing leaves failed or expired.

CREATE TABLE exports (
    id                uuid        PRIMARY KEY,
    project_id        text        NOT NULL REFERENCES projects (id),
    created_at        timestamptz NOT NULL,

    -- Which messages. The ends of the time are both included.
    direction         text        NOT NULL CHECK (direction IN ('outbound', 'inbound')),
    filter_start_time timestamptz NOT NULL,
    filter_end_time   timestamptz NOT NULL,
    filter_status     text        CHECK (filter_status IN ('queued', 'delivering', 'succeeded', 'pending_retry', 'failed_permanent')),
    -- An endpoint of that direction.
    filter_endpoint_id uuid,

    status            text        NOT NULL CHECK (status IN ('pending', 'processing', 'completed', 'failed', 'expired')),
    -- Added to at claim time, so that an export which kills its worker is not tried for ever.
    attempt           integer     NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    due_at            timestamptz NOT NULL,

    -- The latest claim. The token stays after the claim ended and opens nothing then: every
    -- write asks for the status and for lease_expires_at too.
    lease_token       uuid,
    lease_expires_at  timestamptz,
    -- The worker's name, for people; no write is fenced by it.
    lease_owner       text,
    -- Why the latest attempt ended early, for operators; consumers never see it.
    attempt_error     text,

    started_at        timestamptz,
    completed_at      timestamptz,
    expires_at        timestamptz,
    row_count         bigint      CHECK (row_count >= 0),
    file_size_bytes   bigint      CHECK (file_size_bytes >= 0),
    sha256            bytea       CHECK (octet_length(sha256) = 32),
    object_key        text,
    error_code        text,
    error_message     text,

    -- The consumer's Idempotency-Key; cleared when it is a day old.
    idempotency_key   text        CHECK (idempotency_key ~ '^[!-~]{1,255}$'),

    CONSTRAINT exports_range CHECK (filter_end_time > filter_start_time),
    CONSTRAINT exports_times CHECK (created_at <= started_at AND started_at <= completed_at AND completed_at < expires_at),
    CONSTRAINT exports_lease CHECK (
        (status = 'processing') = (lease_expires_at IS NOT NULL)
        AND (status = 'processing') = (lease_owner IS NOT NULL)
        AND (status <> 'processing' OR lease_token IS NOT NULL)),
    CONSTRAINT exports_started CHECK (
        CASE status
            WHEN 'pending' THEN started_at IS NULL
            WHEN 'failed' THEN true
            ELSE started_at IS NOT NULL AND attempt >= 1
        END),
    CONSTRAINT exports_file CHECK (
        CASE WHEN status IN ('completed', 'expired')
            THEN num_nulls(completed_at, expires_at, row_count, file_size_bytes, sha256) = 0
            ELSE num_nonnulls(completed_at, expires_at, row_count, file_size_bytes, sha256) = 0
        END),
    CONSTRAINT exports_object CHECK ((status = 'completed') = (object_key IS NOT NULL)),
    CONSTRAINT exports_failure CHECK (
        (status = 'failed') = (error_code IS NOT NULL)
        AND (status = 'failed') = (error_message IS NOT NULL))
)
-- A heartbeat changes no indexed column; with room on the page it stays a heap-only update.
WITH (fillfactor = 70);

-- Lists, newest first.
CREATE INDEX exports_by_project ON exports (project_id, created_at DESC, id DESC);
-- The queue: each project's exports in the order in which they are due.
CREATE INDEX exports_pending ON exports (project_id, due_at, id) WHERE status = 'pending';
-- What is being worked on, for fairness and for leases that ended. Holds no hot column.
CREATE INDEX exports_processing ON exports (project_id) WHERE status = 'processing';
-- The sweep of files whose time is over.
CREATE INDEX exports_expiring ON exports (expires_at) WHERE status = 'completed';
-- One export per key; also the sweep of keys that are a day old.
CREATE UNIQUE INDEX exports_idempotency ON exports (project_id, idempotency_key) WHERE idempotency_key IS NOT NULL;
CREATE INDEX exports_idempotency_age ON exports (created_at) WHERE idempotency_key IS NOT NULL;

-- Every key that was ever to be written to the object store and may still be there: written by the
-- claim, before the first byte. No foreign key: it outlives its export until the store is clean.
--
-- writing  an attempt may be writing it
-- kept     it is the file of a completed export
-- doomed   it has to go; sweep_at says when a janitor takes it up next
CREATE TABLE export_objects (
    key         text        PRIMARY KEY,
    export_id   uuid        NOT NULL,
    -- The multipart upload, once there is one, so that it can be aborted by whoever comes later.
    upload_id   text,
    state       text        NOT NULL CHECK (state IN ('writing', 'kept', 'doomed')),
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    sweep_at    timestamptz,
    -- A lost attempt's key is swept twice, an hour apart: its worker may have been stopped in the
    -- middle of a request that it finishes after the first sweep.
    sweeps_left smallint    NOT NULL DEFAULT 2 CHECK (sweeps_left > 0),

    CONSTRAINT export_objects_sweep CHECK ((state = 'doomed') = (sweep_at IS NOT NULL))
);

CREATE INDEX export_objects_export_id ON export_objects (export_id);
CREATE INDEX export_objects_sweep_at ON export_objects (sweep_at) WHERE sweep_at IS NOT NULL;

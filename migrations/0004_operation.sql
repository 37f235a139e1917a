-- What operators see of an export at work, and what is thrown away when it is old.

-- How far the latest attempt has come: rows encoded, bytes handed to the upload. Written by the
-- heartbeat; no index has them, so that it stays a heap-only update. Null until the first beat.
ALTER TABLE exports
    ADD COLUMN progress_rows  bigint CHECK (progress_rows >= 0),
    ADD COLUMN progress_bytes bigint CHECK (progress_bytes >= 0);

-- The sweep of records without a file, by when they ended. When an export failed is not recorded:
-- its last attempt's start stands for it, or its making if it was never tried.
CREATE INDEX exports_ended ON exports ((coalesce(expires_at, started_at, created_at)))
    WHERE status IN ('failed', 'expired');

-- Limits of projects, and the indexes behind the lists of exports.
--
-- The limits of all projects are settings of the API. A project can have its own value of each:
-- null    the setting applies
-- 'off'   no limit
-- '60/1m' a rate; '1000' a number of exports or bytes

ALTER TABLE projects
    -- Requests of one API key, per API process.
    ADD COLUMN limit_requests     text CHECK (limit_requests ~ '^(off|[1-9][0-9]{0,6}/[0-9]{0,5}[smhd])$'),
    -- Creates of the project.
    ADD COLUMN limit_creates      text CHECK (limit_creates ~ '^(off|[1-9][0-9]{0,6}/[0-9]{0,5}[smhd])$'),
    -- Its pending and processing exports.
    ADD COLUMN limit_active       text CHECK (limit_active ~ '^(off|[1-9][0-9]{0,18})$'),
    -- Bytes of its completed files that have not expired.
    ADD COLUMN limit_stored_bytes text CHECK (limit_stored_bytes ~ '^(off|[1-9][0-9]{0,18})$');

-- The creates of each project in the present window, if their number is limited: API processes reserve
-- them here. The exports cannot be counted instead: a deleted export would give its create back.
CREATE TABLE project_creates (
    project_id        text        PRIMARY KEY REFERENCES projects (id) ON DELETE CASCADE,
    -- The first reservation of the window. Its end depends on the limit, which may change.
    window_started_at timestamptz NOT NULL,
    creates           bigint      NOT NULL CHECK (creates > 0)
)
-- Every reservation updates the row. With room on the page it stays a heap-only update.
WITH (fillfactor = 50);

-- The pending and processing exports of a project, counted up to `most`.
--
-- Near the limit it takes a lock that is held until the end of the transaction, and counts again: so
-- of concurrent creates only as many succeed as the limit allows. Each statement of a volatile function
-- sees what was committed before it, also after the wait for the lock. Far from the limit, creates of
-- a project do not wait for each other.
CREATE FUNCTION exports_count_active(of_project text, most bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    -- More than the creates of one project that all API processes run at the same time.
    margin CONSTANT bigint := 100;
    active bigint;
BEGIN
    FOR attempt IN 1..2 LOOP
        SELECT count(*) INTO active FROM (
            (SELECT 1 FROM exports e WHERE e.project_id = of_project AND e.status = 'pending' LIMIT most)
            UNION ALL
            (SELECT 1 FROM exports e WHERE e.project_id = of_project AND e.status = 'processing' LIMIT most)
        ) found;
        EXIT WHEN attempt = 2 OR active >= most OR active < most - margin;
        PERFORM pg_advisory_xact_lock(hashtextextended('exports_count_active ' || of_project, 0));
    END LOOP;
    RETURN least(active, most);
END
$$;

-- Lists of exports that have ended, by status, newest first. expires_at is in it because a completed export
-- reads as expired as soon as that time is past: entries of the other kind are skipped within the index.
-- Exports in the queue are not in it, so that creates and claims do not pay for it: exports_pending and
-- exports_processing find these.
CREATE INDEX exports_by_status ON exports (project_id, status, created_at DESC, id DESC, expires_at)
    WHERE status IN ('completed', 'failed', 'expired');
-- The files of a project that have not expired, for the limit of stored bytes; and those that have
-- expired and are not yet marked, for the list of expired exports.
CREATE INDEX exports_stored ON exports (project_id, expires_at) INCLUDE (file_size_bytes) WHERE status = 'completed';

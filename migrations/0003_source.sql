-- The messages and their endpoints: written by other systems, only read by ours.
--
-- Where an operator has relations of these names already (tables or views, with these columns and
-- types), they are left as they are.

DO $$
BEGIN
    IF to_regclass('endpoints') IS NULL THEN
        CREATE TABLE endpoints (
            id         uuid        PRIMARY KEY,
            project_id text        NOT NULL,
            direction  text        NOT NULL CHECK (direction IN ('outbound', 'inbound')),
            url        text        NOT NULL,
            created_at timestamptz NOT NULL CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00')
        );
        -- An export reads the URLs of its project's endpoints.
        CREATE INDEX endpoints_project ON endpoints (project_id, direction);
    END IF;

    IF to_regclass('messages') IS NULL THEN
        CREATE TABLE messages (
            id                uuid        PRIMARY KEY,
            project_id        text        NOT NULL,
            direction         text        NOT NULL CHECK (direction IN ('outbound', 'inbound')),
            endpoint_id       uuid        NOT NULL,
            status            text        NOT NULL CHECK (status IN ('queued', 'delivering', 'succeeded', 'pending_retry', 'failed_permanent')),
            attempt_count     integer     NOT NULL,
            -- Inbound: when it was received.
            created_at        timestamptz NOT NULL CHECK (created_at >= '0001-01-01 00:00:00+00' AND created_at < '10000-01-01 00:00:00+00'),
            delivered_at      timestamptz CHECK (delivered_at >= '0001-01-01 00:00:00+00' AND delivered_at < '10000-01-01 00:00:00+00'),
            next_attempt_at   timestamptz CHECK (next_attempt_at >= '0001-01-01 00:00:00+00' AND next_attempt_at < '10000-01-01 00:00:00+00'),
            response_status     integer,
            response_latency_ms integer,
            total_delivery_ms   integer,
            last_error          text
        );
        -- An export's rows in the order of its file: one range of this index.
        CREATE INDEX messages_export ON messages (project_id, direction, created_at, id);
    END IF;
END
$$;

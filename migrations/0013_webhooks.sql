-- Webhooks: projects are told when an export completes, fails or expires.
--
-- webhook_deliveries is an outbox: the trigger below writes a delivery in the same transaction as the
-- change of the export's status, whichever statement changes it. Workers deliver them under leases.
--
-- The programs of the previous release keep working: the trigger writes deliveries for them too, and
-- workers of this release deliver them.

CREATE TABLE webhooks (
    id              uuid        PRIMARY KEY,
    project_id      text        NOT NULL REFERENCES projects (id) ON DELETE CASCADE,
    -- 1 to 10, unique in the project. So a project has at most 10 webhooks, also after concurrent
    -- creates.
    slot            smallint    NOT NULL CHECK (slot BETWEEN 1 AND 10),
    -- As given. It was checked when it was created, and is checked again at each delivery.
    url             text        NOT NULL CHECK (length(url) BETWEEN 1 AND 2048),
    -- The events that it receives. A test event is sent on request only.
    events          text[]      NOT NULL CHECK (
        cardinality(events) BETWEEN 1 AND 3 AND array_ndims(events) = 1
        -- Also refuses NULL elements.
        AND events <@ ARRAY ['export.completed', 'export.failed', 'export.expired']),
    -- enabled   events of the project are delivered
    -- disabled  nothing is delivered except tests; disabled_reason says why
    status          text        NOT NULL DEFAULT 'enabled' CHECK (status IN ('enabled', 'disabled')),
    -- gone      the receiver answered 410
    -- failing   every delivery failed for 5 days
    -- operator  an operator disabled it
    disabled_reason text        CHECK (disabled_reason IN ('gone', 'failing', 'operator')),
    -- The key of the signatures. The programs must compute signatures, so it cannot be a digest.
    secret          bytea       NOT NULL CHECK (octet_length(secret) BETWEEN 24 AND 64),
    -- The secret from before the latest rotation. Until that time both sign.
    previous_secret       bytea CHECK (octet_length(previous_secret) BETWEEN 24 AND 64),
    previous_secret_until timestamptz,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- The first failed attempt since the latest successful one. Null: the latest attempt succeeded, or
    -- there was none.
    failing_since   timestamptz,

    CONSTRAINT webhooks_slot UNIQUE (project_id, slot),
    CONSTRAINT webhooks_reason CHECK ((status = 'disabled') = (disabled_reason IS NOT NULL)),
    CONSTRAINT webhooks_previous CHECK ((previous_secret IS NULL) = (previous_secret_until IS NULL))
);

-- The webhook that fails for the longest time, for the metrics.
CREATE INDEX webhooks_failing ON webhooks (failing_since) WHERE failing_since IS NOT NULL AND status = 'enabled';

-- One event for one webhook.
--
-- pending    next_attempt_at says when a worker may take it. While a worker sends it, next_attempt_at is
--            the end of the worker's lease: if the worker is killed, another one takes it then
-- delivered  the receiver answered 2xx
-- failed     no attempt is left, or the webhook was disabled
CREATE TABLE webhook_deliveries (
    -- The header webhook-id of every attempt, by which receivers recognize repetitions.
    id              uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
    webhook_id      uuid        NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    event           text        NOT NULL CHECK (event IN ('export.completed', 'export.failed', 'export.expired', 'export.test')),
    -- No foreign key: the event is still delivered after its export was deleted. Null for a test.
    export_id       uuid,
    -- The row of exports after the change, so that a later expiry or deletion does not change what the
    -- event says. Null for a test.
    snapshot        jsonb,
    status          text        NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'delivered', 'failed')),
    -- Added to when a worker takes it.
    attempt         integer     NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    next_attempt_at timestamptz DEFAULT clock_timestamp(),
    -- The worker that sends it now. A result is recorded only with this token.
    lease_token     uuid,
    -- The status of the latest response. Null: no attempt, or no response.
    response_status smallint    CHECK (response_status BETWEEN 100 AND 999),
    -- Why the latest attempt failed, for operators.
    error           text,
    -- When the event happened: "timestamp" in the body.
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),

    CONSTRAINT webhook_deliveries_due CHECK ((status = 'pending') = (next_attempt_at IS NOT NULL)),
    CONSTRAINT webhook_deliveries_lease CHECK (lease_token IS NULL OR status = 'pending'),
    CONSTRAINT webhook_deliveries_export CHECK (
        num_nulls(export_id, snapshot) = CASE event WHEN 'export.test' THEN 2 ELSE 0 END)
);

-- What is due, for each webhook. It contains only what is not delivered yet, so looking for work is
-- cheap. Claims walk from webhook to webhook in it, so that one with many deliveries does not hide others.
CREATE INDEX webhook_deliveries_pending ON webhook_deliveries (webhook_id, next_attempt_at) WHERE status = 'pending';
-- The list of the latest deliveries of a webhook.
CREATE INDEX webhook_deliveries_recent ON webhook_deliveries (webhook_id, created_at DESC, id DESC);
-- Old deliveries, for pruning.
CREATE INDEX webhook_deliveries_ended ON webhook_deliveries (created_at) WHERE status <> 'pending';

-- Writes the deliveries of one change. The notification wakes workers; without it they find the delivery
-- within seconds.
--
-- FOR KEY SHARE: a webhook that is being deleted is waited for and then skipped. Without the lock, the
-- foreign key would refuse the delivery, and with it the change of the export.
--
-- SECURITY DEFINER: workers complete exports and the API cancels them, but neither program needs the
-- right to write events, so neither can forge one. The search path of the function is fixed, with
-- pg_temp last, so that no relation of the caller takes its place.
DO $migration$
BEGIN
    EXECUTE format($create$
        CREATE FUNCTION exports_write_deliveries() RETURNS trigger LANGUAGE plpgsql
        SECURITY DEFINER SET search_path = %I, pg_temp AS $$
        BEGIN
            INSERT INTO webhook_deliveries (webhook_id, event, export_id, snapshot)
            SELECT w.id, 'export.' || NEW.status, NEW.id,
                   -- Without what only operators see.
                   to_jsonb(NEW) - ARRAY ['lease_token', 'attempt_error', 'object_key', 'idempotency_key']
            FROM webhooks w
            WHERE w.project_id = NEW.project_id AND w.status = 'enabled' AND 'export.' || NEW.status = ANY (w.events)
            FOR KEY SHARE;
            IF FOUND THEN
                PERFORM pg_notify('exports_webhooks', '');
            END IF;
            RETURN NULL;
        END
        $$ $create$, current_schema());
END
$migration$;

-- Claims, heartbeats and retries do not call the function.
CREATE TRIGGER exports_write_deliveries AFTER UPDATE OF status ON exports
    FOR EACH ROW WHEN (NEW.status IS DISTINCT FROM OLD.status AND NEW.status IN ('completed', 'failed', 'expired'))
    EXECUTE FUNCTION exports_write_deliveries();

-- A new secret keeps the one before for 24 hours. A trigger, so that the API can rotate secrets without the
-- right to read any.
CREATE FUNCTION webhooks_keep_previous_secret() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.previous_secret := OLD.secret;
    NEW.previous_secret_until := clock_timestamp() + interval '24 hours';
    RETURN NEW;
END
$$;

CREATE TRIGGER webhooks_keep_previous_secret BEFORE UPDATE OF secret ON webhooks
    FOR EACH ROW EXECUTE FUNCTION webhooks_keep_previous_secret();

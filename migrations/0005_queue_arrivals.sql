-- When an export came into the queue's present state, so that what is in the queue can be found
-- without reading what was in it.
--
-- While some transaction holds a snapshot, which a long export does, no index entry of a row that
-- has moved on can be removed: a scan of "everything pending" or "everything processing" passes
-- every export that has been through the queue since. The entries of the two indexes below ascend
-- with time instead: whoever knows what was in the queue a moment ago reads on from there, and
-- leaves the dead entries behind.

-- Set while the export is in that state, null otherwise. Cut to five seconds, so that the projects
-- with something new can be told apart by one probe for each and not by reading all that is new.
ALTER TABLE exports
    ADD COLUMN pending_since    timestamptz,
    ADD COLUMN processing_since timestamptz;

-- A trigger and not the statements, so that nothing can be queued past it: by the previous
-- release's programs, or by hand. A new due_at counts as a new arrival: it may be an earlier one.
CREATE FUNCTION exports_enter_queue() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    arrival CONSTANT timestamptz := date_bin('5 seconds', clock_timestamp(), '2000-01-01T00:00:00Z');
BEGIN
    NEW.pending_since := CASE NEW.status WHEN 'pending' THEN arrival END;
    NEW.processing_since := CASE NEW.status WHEN 'processing' THEN arrival END;
    RETURN NEW;
END
$$;

CREATE TRIGGER exports_enter_queue BEFORE INSERT OR UPDATE OF status, due_at ON exports
    FOR EACH ROW EXECUTE FUNCTION exports_enter_queue();

UPDATE exports SET status = status WHERE status IN ('pending', 'processing');

ALTER TABLE exports ADD CONSTRAINT exports_arrival CHECK (
    (status = 'pending') = (pending_since IS NOT NULL)
    AND (status = 'processing') = (processing_since IS NOT NULL));

-- Their conditions do not name the status, on purpose: a planner that believes an index to be
-- nearly empty takes it for every statement whose condition implies the index's, before the
-- primary key even, and dead entries are not among what it believes.
CREATE INDEX exports_pending_since ON exports (pending_since, project_id, due_at, id) WHERE pending_since IS NOT NULL;
CREATE INDEX exports_processing_since ON exports (processing_since) WHERE processing_since IS NOT NULL;

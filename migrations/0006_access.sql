-- What a key may do and until when, and projects that are suspended.
--
-- The programs of the previous release keep working: they write none of these columns, and the
-- trigger below holds for them too. Until they are replaced they do not know scopes and expiry.

ALTER TABLE api_keys
    -- read: get, list and download. write: create and delete as well.
    ADD COLUMN scope       text NOT NULL DEFAULT 'write' CHECK (scope IN ('read', 'write')),
    -- The key is invalid from then on; null: it does not expire. Rotation brings it forward to the
    -- end of the overlap.
    ADD COLUMN expires_at  timestamptz,
    -- The key that rotation has issued in its place. Such a key cannot be rotated again, because its
    -- expires_at no longer says how long a key of its kind is valid. No foreign key: both keys
    -- belong to one project and are deleted with it.
    ADD COLUMN replaced_by uuid;

-- While it is set: no key of the project is accepted, no export of it is claimed, no file of it is
-- served.
ALTER TABLE projects ADD COLUMN suspended_at timestamptz;

-- Set on a pending export of a suspended project: its due_at from before. Its due_at is then
-- 9999-01-01, so that every claim, also of the previous release, passes it by without a look at
-- the projects. Resume moves it back.
ALTER TABLE exports ADD COLUMN resume_due_at timestamptz;

-- A trigger and not the statements, so that nothing can be queued past a suspension: a create that
-- was authenticated before it, a retry, an operator's requeue.
--
-- FOR SHARE: an insert and a suspension of the same project wait for each other. An insert that
-- comes first is committed when the suspension looks for pending exports; one that comes later
-- sees the suspension. The foreign key locks the same row anyway.
--
-- SECURITY DEFINER: the roles of the programs may not lock rows of projects. The search path of
-- the function is fixed, with pg_temp last, so that no relation of the caller takes its place.
DO $migration$
BEGIN
    EXECUTE format($create$
        CREATE FUNCTION exports_hold_suspended() RETURNS trigger LANGUAGE plpgsql
        SECURITY DEFINER SET search_path = %I, pg_temp AS $$
        DECLARE
            held CONSTANT timestamptz := '9999-01-01T00:00:00Z';
            suspended boolean;
        BEGIN
            IF NEW.status <> 'pending' THEN
                NEW.resume_due_at := NULL;
                RETURN NEW;
            END IF;
            SELECT suspended_at IS NOT NULL INTO suspended FROM projects WHERE id = NEW.project_id FOR SHARE;
            IF suspended AND NEW.due_at < held THEN
                NEW.resume_due_at := NEW.due_at;
                NEW.due_at := held;
            ELSIF NEW.due_at < held THEN
                NEW.resume_due_at := NULL;
            END IF;
            RETURN NEW;
        END
        $$ $create$, current_schema());
END
$migration$;

-- Claims and completed exports do not call the function.
CREATE TRIGGER exports_hold_suspended BEFORE INSERT OR UPDATE OF status, due_at ON exports
    FOR EACH ROW WHEN (NEW.status = 'pending' OR NEW.resume_due_at IS NOT NULL)
    EXECUTE FUNCTION exports_hold_suspended();

ALTER TABLE exports ADD CONSTRAINT exports_resume CHECK (resume_due_at IS NULL OR status = 'pending');

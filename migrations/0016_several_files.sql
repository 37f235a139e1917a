-- An export with max_rows_per_file is split into several files. Each is an object of its own.

-- The files of a completed export that is split, in order, such as [{"rows": 1000, "bytes": 202513, "sha256": "9f…"}].
-- NULL: there is one file, and the other columns say everything about it. They have the sums otherwise, and sha256 the
-- SHA-256 over the digests of the files: releases before this one require one.
ALTER TABLE exports ADD COLUMN files jsonb CHECK (jsonb_typeof(files) = 'array');

-- How many objects an attempt has begun to write. The key of the first is that of the row; the others follow from it. One
-- row for all of them while the attempt runs, so that they always have the same state.
ALTER TABLE export_objects ADD COLUMN files integer NOT NULL DEFAULT 1 CHECK (files >= 1);

-- The key of a file, such as proj_a/<export>/1-<token>-0002.csv.gz for proj_a/<export>/1-<token>.csv.gz.
CREATE FUNCTION exports_file_key(first_key text, number integer) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE number WHEN 1 THEN first_key ELSE regexp_replace(
        first_key, '(/[^/.]+)(\.[^/]+)$', '\1-' || lpad(number::text, greatest(4, length(number::text)), '0') || '\2') END
$$;

-- When an attempt ends, well or not, each of its objects gets a row of its own. From then on, expiry, deletion and the
-- janitor see objects and nothing else. The upload that may have to be aborted is that of the last file.
--
-- A trigger and not the statements: nothing that ends an attempt can forget it, in no release.
--
-- SECURITY DEFINER: the API cancels exports, but it may not insert objects. The search path of the function is fixed, with
-- pg_temp last, so that no relation of the caller takes its place.
DO $migration$
BEGIN
    EXECUTE format($create$
        CREATE FUNCTION exports_record_files() RETURNS trigger LANGUAGE plpgsql
        SECURITY DEFINER SET search_path = %I, pg_temp AS $$
        BEGIN
            INSERT INTO export_objects (key, export_id, state, sweep_at, sweeps_left, upload_id)
            SELECT exports_file_key(NEW.key, number), NEW.export_id, NEW.state, NEW.sweep_at, NEW.sweeps_left,
                   CASE number WHEN NEW.files THEN NEW.upload_id END
            FROM generate_series(2, NEW.files) number;
            NEW.files := 1;
            NEW.upload_id := NULL;
            RETURN NEW;
        END
        $$ $create$, current_schema());
END
$migration$;

CREATE TRIGGER exports_record_files BEFORE UPDATE OF state ON export_objects
    FOR EACH ROW WHEN (NEW.files > 1 AND NEW.state <> 'writing')
    EXECUTE FUNCTION exports_record_files();

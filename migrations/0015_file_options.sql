-- What a consumer chose about the file of an export: format, compression, columns, time zone, dialect of the CSV.

ALTER TABLE exports
    -- The options that the request gave, by their names in the API, such as
    -- {"format": "jsonl", "columns": ["message_id", "status"]}. NULL: none, the file is the plain CSV.
    ADD COLUMN file_options   jsonb CHECK (jsonb_typeof(file_options) = 'object'),
    -- The extension of the file's name, without the first dot, which follows from the options. The claim makes the
    -- key of the object with it.
    ADD COLUMN file_extension text CHECK (octet_length(file_extension) BETWEEN 1 AND 20),
    -- A signal of the claim to the trigger below, which clears it.
    ADD COLUMN claim_reads_options boolean CHECK (claim_reads_options IS NULL),
    ADD CONSTRAINT exports_options CHECK ((file_options IS NULL) = (file_extension IS NULL));

-- A worker of the previous release does not know the options: it would write a plain CSV, and nobody would see the
-- mistake. Its claim gives no signal, so the trigger skips the row: the export stays as it is for a worker of this
-- release. A trigger and not the statements, because the statements of the previous release cannot be changed. So the
-- order in which workers and the API are replaced does not matter.
--
-- The signal holds for one claim and is never stored. A stored one would also admit an old worker that takes the export
-- over later.
CREATE FUNCTION exports_claim_options() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.claim_reads_options IS NULL THEN
        RETURN NULL;
    END IF;
    NEW.claim_reads_options := NULL;
    RETURN NEW;
END
$$;

-- Of the statements that write lease_token, only claims lead to processing. Claims of plain exports do not call the
-- function.
CREATE TRIGGER exports_claim_options BEFORE UPDATE OF lease_token ON exports
    FOR EACH ROW WHEN (NEW.file_options IS NOT NULL AND NEW.status = 'processing')
    EXECUTE FUNCTION exports_claim_options();

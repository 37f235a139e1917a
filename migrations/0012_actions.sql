-- What a consumer gives to an export for people, and where a retried export comes from.

ALTER TABLE exports
    -- Text of the consumer, returned as it is. The collation makes the check the same in every database;
    -- the API also refuses control characters beyond ASCII.
    ADD COLUMN label    text CHECK (char_length(label) BETWEEN 1 AND 200 AND label COLLATE "C" !~ '[[:cntrl:]]'),
    -- The failed or expired export whose request this one repeats. Not a foreign key: that export may be
    -- deleted, and this one keeps the id.
    ADD COLUMN retry_of uuid;

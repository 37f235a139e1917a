-- The distributed trace in which an export was created.
--
-- traceparent is the position of the request that created the export, as W3C Trace Context writes it. The
-- spans of the workers are below it. It is NULL if the request had no trace. Consumers do not see it.
--
-- The programs write only well-formed values and ignore others when they read, so the constraint checks the
-- length only: PostgreSQL checks it at every change of a row.
ALTER TABLE exports ADD COLUMN traceparent text CHECK (octet_length(traceparent) = 55);

-- How often an export was taken over from a lost worker since its last recorded retry or release.
--
-- An attempt that ends with an error is retried after a pause. A worker that is killed records nothing:
-- its lease expires, and the export is taken over at once. A fleet that crashes again and again would
-- use up all attempts within minutes. So from the third takeover on, the claim waits for the pause of a
-- retry after the lease has expired.
ALTER TABLE exports
    ADD COLUMN takeovers integer NOT NULL DEFAULT 0 CHECK (takeovers >= 0);

-- Exports that need a worker now: due and unclaimed, or in progress.
SELECT (SELECT count(*) FROM exports WHERE status = 'pending' AND due_at <= now())
     + (SELECT count(*) FROM exports WHERE status = 'processing') AS exports

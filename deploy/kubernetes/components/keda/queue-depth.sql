-- The exports that want a worker now: due and not taken, or being worked on.
SELECT (SELECT count(*) FROM exports WHERE status = 'pending' AND due_at <= now())
     + (SELECT count(*) FROM exports WHERE status = 'processing') AS exports

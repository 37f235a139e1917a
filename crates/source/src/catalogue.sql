-- The definitions of the relations `messages` and `endpoints`, one property per row, its kind first.
-- sqlx does not check this query, because it runs over our own connection by the simple protocol.
WITH RECURSIVE named AS (
    SELECT name, to_regclass(name)::oid AS oid FROM (VALUES ('messages'), ('endpoints')) n (name)
),
-- Both relations and everything below them: the relations of a view, the partitions of a table.
-- A materialized view has its own rows, so nothing is below it.
below AS (
    SELECT name, oid FROM named WHERE oid IS NOT NULL
    UNION
    SELECT b.name, used.oid
    FROM below b
    JOIN pg_class c ON c.oid = b.oid
    CROSS JOIN LATERAL (
        SELECT d.refobjid AS oid
        FROM pg_rewrite r
        JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
        WHERE c.relkind = 'v' AND r.ev_class = c.oid AND r.ev_type = '1'
          AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> c.oid
        UNION ALL
        SELECT i.inhrelid FROM pg_inherits i WHERE c.relhassubclass AND i.inhparent = c.oid
    ) used
),
relations AS (
    SELECT b.name, c.oid, c.relkind, c.relhassubclass, c.relrowsecurity FROM below b JOIN pg_class c USING (oid)
),
views AS (
    SELECT b.name, b.oid, r.ev_action::text AS tree, r.xmin::text AS version
    FROM relations b JOIN pg_rewrite r ON r.ev_class = b.oid
    WHERE b.relkind = 'v' AND r.ev_type = '1'
),
-- A domain has the type that it is based on.
types AS (
    SELECT n.name, a.attname, a.atttypid AS type, a.attcollation, false AS is_domain
    FROM named n JOIN pg_attribute a ON a.attrelid = n.oid
    WHERE a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT b.name, b.attname, t.typbasetype, b.attcollation, true
    FROM types b JOIN pg_type t ON t.oid = b.type AND t.typtype = 'd'
)
SELECT 'relation', n.name, n.oid::text, c.relkind::text,
       -- Whether everything below can be locked by name, and has no partitions.
       (NOT EXISTS (SELECT FROM relations b WHERE b.name = n.name AND (b.relhassubclass OR b.relkind NOT IN ('r', 'v'))))::text
FROM named n JOIN pg_class c ON c.oid = n.oid
UNION ALL
SELECT 'column', t.name, t.attname::text,
       p.typname || CASE WHEN p.typtype = 'e' THEN ':enum' ELSE '' END
                 || CASE WHEN coalesce(o.collisdeterministic, true) THEN '' ELSE ':nondeterministic' END,
       -- A domain over an enum has no operators, so it gets no labels and is compared as text.
       (SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder)::text FROM pg_enum e
        WHERE e.enumtypid = p.oid AND NOT t.is_domain)
FROM types t JOIN pg_type p ON p.oid = t.type AND p.typtype <> 'd'
LEFT JOIN pg_collation o ON o.oid = t.attcollation
UNION ALL
-- A table that the role may read only by columns: `LOCK TABLE` needs the right on the whole table.
SELECT 'unlockable', n.name, NULL, NULL, NULL
FROM named n JOIN pg_class c ON c.oid = n.oid AND c.relkind IN ('r', 'p')
WHERE NOT has_table_privilege(n.oid, 'SELECT')
UNION ALL
-- A table whose direction has a CHECK constraint of its own. The planner decides what it proves.
SELECT 'checked', n.name, NULL, NULL, NULL
FROM named n
JOIN pg_attribute a ON a.attrelid = n.oid AND a.attname = 'direction'
WHERE EXISTS (SELECT FROM pg_constraint k
              WHERE k.conrelid = n.oid AND k.contype = 'c' AND k.convalidated AND k.conkey = ARRAY[a.attnum])
UNION ALL
-- Reasons why sessions or statements may read different rows under one snapshot.
SELECT 'single_reader', b.name, b.oid::regclass::text, 'a foreign table', NULL FROM relations b WHERE b.relkind = 'f'
UNION ALL
SELECT DISTINCT 'single_reader', v.name, v.oid::regclass::text, 'the function ' || p.oid::regprocedure, NULL
FROM views v
CROSS JOIN LATERAL regexp_matches(v.tree, ':(?:funcid|opfuncid|winfnoid|aggfnoid) (\d+)', 'g') f (oid)
JOIN pg_proc p ON p.oid = f.oid[1]::oid
WHERE p.provolatile = 'v'
   OR p.provolatile = 's' AND (p.oid >= 16384 OR p.proname IN ('now', 'statement_timestamp', 'transaction_timestamp', 'pg_backend_pid'))
UNION ALL
SELECT 'single_reader', v.name, v.oid::regclass::text, f.what, NULL
FROM views v
JOIN (VALUES ('the current time', 'SQLVALUEFUNCTION :op [0-8] '), ('LIMIT or OFFSET', ':limit(Count|Offset) \{'),
             ('DISTINCT ON', ':hasDistinctOn true'), ('a window function', ':hasWindowFuncs true'),
             ('TABLESAMPLE', '\{TABLESAMPLECLAUSE')) f (what, pattern) ON v.tree ~ f.pattern
UNION ALL
SELECT 'view', v.name, v.oid::text, v.version, NULL FROM views v
UNION ALL
SELECT 'policies', b.name, b.oid::regclass::text, NULL, NULL FROM relations b WHERE b.relrowsecurity
UNION ALL
-- The initial copy of a subscription becomes visible in one transaction. Until then the table is empty.
SELECT 'initial_copy', b.name, b.oid::regclass::text, s.srsubstate::text, NULL
FROM relations b JOIN pg_subscription_rel s ON s.srrelid = b.oid WHERE s.srsubstate NOT IN ('r', 's')
ORDER BY 1, 2, 3, 4

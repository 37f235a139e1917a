#!/usr/bin/env bash
# Creates the three roles and closes the database to all other roles. The PostgreSQL image runs it
# from /docker-entrypoint-initdb.d. Elsewhere, run it as a superuser with the PG… variables of psql.
# `exportctl admin migrate --api-role exports_api --worker-role exports_worker` then grants the privileges.
set -euo pipefail

: "${OWNER_PASSWORD:?set it to the password of exports_owner, the role of exportctl}"
: "${API_PASSWORD:?set it to the password of exports_api}"
: "${WORKER_PASSWORD:?set it to the password of exports_worker}"

# Passwords are passed as environment variables, because every user can read process arguments.
psql -v ON_ERROR_STOP=1 --no-psqlrc --quiet \
    --username "${POSTGRES_USER:-${PGUSER:-postgres}}" --dbname "${POSTGRES_DB:-${PGDATABASE:-exports}}" <<'SQL'
\set owner_password `printenv OWNER_PASSWORD`
\set api_password `printenv API_PASSWORD`
\set worker_password `printenv WORKER_PASSWORD`

CREATE ROLE exports_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE exports_api LOGIN PASSWORD :'api_password';
CREATE ROLE exports_worker LOGIN PASSWORD :'worker_password';

ALTER DATABASE :"DBNAME" OWNER TO exports_owner;
ALTER SCHEMA public OWNER TO exports_owner;
REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT CONNECT ON DATABASE :"DBNAME" TO exports_api, exports_worker;
SQL

#!/usr/bin/env bash
# The three roles, and a database that is closed to all others. Lies in /docker-entrypoint-initdb.d
# of PostgreSQL's image; elsewhere, run it as a superuser, with psql's usual PG… variables.
# `exportctl migrate --api-role exports_api --worker-role exports_worker` then grants what each needs.
set -euo pipefail

: "${OWNER_PASSWORD:?must be set: the password of exports_owner, as which exportctl connects}"
: "${API_PASSWORD:?must be set: the password of exports_api}"
: "${WORKER_PASSWORD:?must be set: the password of exports_worker}"

# Passwords go by environment: arguments are for everyone on the machine to see.
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

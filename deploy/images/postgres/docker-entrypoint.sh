#!/usr/bin/env bash
# Implements what this project uses of the public image's entry point: the variables POSTGRES_USER,
# _PASSWORD, _DB (each also as _FILE), _INITDB_ARGS and _HOST_AUTH_METHOD, and the scripts in
# /docker-entrypoint-initdb.d, which run once, when the data directory is empty.
set -euo pipefail

[ "${1:--}" != "${1#-}" ] && set -- postgres "$@"
[ "$1" = postgres ] || exec "$@"

if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA" /var/run/postgresql
    chown -R postgres "$PGDATA"
    chown postgres /var/run/postgresql
    chmod 0700 "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --init-groups "${BASH_SOURCE[0]}" "$@"
fi

value() { # variable, default
    local file="$1_FILE"
    if [ -n "${!file:-}" ]; then cat "${!file}"; else printf '%s' "${!1:-$2}"; fi
}

create_cluster() {
    local options
    read -r -a options <<<"${POSTGRES_INITDB_ARGS:-}"
    initdb --username="$POSTGRES_USER" --pwfile=<(printf '%s\n' "$POSTGRES_PASSWORD") "${options[@]}"
    printf '\nhost all all all %s\n' "${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}" >>"$PGDATA/pg_hba.conf"
}

run_scripts() {
    local script
    for script in /docker-entrypoint-initdb.d/*; do
        case $script in
        *.sh)
            # Like the public image: sources a script that is not executable.
            # shellcheck source=/dev/null
            if [ -x "$script" ]; then "$script"; else . "$script"; fi
            ;;
        *.sql) psql -v ON_ERROR_STOP=1 --no-password --no-psqlrc --dbname "$POSTGRES_DB" -f "$script" ;;
        esac
    done
}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    POSTGRES_USER=$(value POSTGRES_USER postgres)
    POSTGRES_PASSWORD=$(value POSTGRES_PASSWORD '')
    POSTGRES_DB=$(value POSTGRES_DB "$POSTGRES_USER")
    if [ -z "$POSTGRES_PASSWORD" ] && [ "${POSTGRES_HOST_AUTH_METHOD:-}" != trust ]; then
        echo "Error: Database is uninitialized and superuser password is not specified: set POSTGRES_PASSWORD." >&2
        exit 1
    fi
    export POSTGRES_USER POSTGRES_PASSWORD POSTGRES_DB PGUSER="$POSTGRES_USER" PGPASSWORD="$POSTGRES_PASSWORD"
    create_cluster
    # Listens only on the Unix socket, so clients do not connect during initialization.
    pg_ctl start --wait --silent -o "-c listen_addresses=''"
    [ "$POSTGRES_DB" = postgres ] ||
        psql -v ON_ERROR_STOP=1 -v db="$POSTGRES_DB" --dbname postgres <<<'CREATE DATABASE :"db";' >/dev/null
    run_scripts
    pg_ctl stop --wait --mode=fast --silent
    unset PGUSER PGPASSWORD
    echo 'PostgreSQL init process complete; ready for start up.'
fi
exec "$@"

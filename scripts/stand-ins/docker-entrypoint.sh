#!/usr/bin/env bash
# Like the official image: the first start creates a cluster with POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB, and
# listens on no network until it is done.
set -euo pipefail

if [ "$(id -u)" = 0 ]; then
	install --directory --owner postgres --mode 700 "$PGDATA"
	chown --recursive postgres /var/lib/postgresql
	exec setpriv --reuid postgres --regid postgres --clear-groups "$0" "$@"
fi
user=${POSTGRES_USER:-postgres}
if [ ! -s "$PGDATA/PG_VERSION" ]; then
	initdb --username "$user" --pwfile=<(printf '%s\n' "${POSTGRES_PASSWORD:?must be set}") \
		--auth-local=trust --auth-host=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8
	echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"
	pg_ctl --wait start --options="-c listen_addresses=''"
	if [ "${POSTGRES_DB:-$user}" != postgres ]; then createdb --username "$user" "${POSTGRES_DB:-$user}"; fi
	pg_ctl --wait stop
	echo "listen_addresses = '*'" >> "$PGDATA/postgresql.conf"
fi
exec "$@"

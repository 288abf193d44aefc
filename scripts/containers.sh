#!/usr/bin/env bash
# Build the image, run the system in containers and check it: `make containers`. Uses the running Docker engine, or as
# root starts its own from Debian's packages (docker.io, docker-compose, debootstrap). If an official image cannot be
# pulled, a stand-in with the same name is built. Everything that it starts is stopped and removed at the end.
#
#   scripts/containers.sh [PYTEST ARGUMENTS]    default: the integration tests of the transport and of both sides
set -euo pipefail
cd "$(dirname "$0")/.."

. scripts/engine.sh

compose() { if docker compose version > /dev/null 2>&1; then docker compose "$@"; else docker-compose "$@"; fi; }
system() { compose --env-file "$work/env" "$@"; }

finish() {
	status=$?
	trap - EXIT
	[ ! -f "$work/env" ] || system --profile simulator down --volumes --timeout 10 >> "$log" 2>&1 || true
	stop_engine
	if [ $status = 0 ]; then say "all checks passed"; else say "stopped with exit code $status; see $log" >&2; fi
	exit $status
}
trap finish EXIT

megabytes() { docker image inspect --format '{{.Size}}' "$1" | awk '{ printf "%d", $1 / 1000000 }'; }

build_ours() {
	say "building the image"
	DOCKER_BUILDKIT=0 quietly docker build --network host --target service --tag redletter .
	local over=$(($(megabytes redletter) - $(megabytes python:3.11-slim)))
	say "the image is $over MB larger than its base"
	[ "$over" -lt 250 ]
	docker run --rm --read-only --tmpfs /tmp --network none redletter --help > /dev/null
	[ "$(docker run --rm --entrypoint id redletter -u)" != 0 ]
	for tool in pip hatchling setuptools; do
		if docker run --rm --entrypoint /opt/redletter/bin/python redletter -c "import $tool" 2> /dev/null; then
			say "$tool is still in the image" >&2
			return 1
		fi
	done
}

healthy() { # all containers of the system except migrate
	for _ in $(seq 120); do
		states=$(docker ps --filter label=com.docker.compose.project=redletter --format '{{.Names}} {{.Status}}')
		grep -q -E 'starting|unhealthy|Restarting' <<< "$states" || { [ -n "$states" ] && return; }
		sleep 1
	done
	printf '%s\n' "$states" >&2
	return 1
}

frozen_is_unhealthy() { # and the other workers take over
	local worker=redletter_worker_3
	docker inspect "$worker" > /dev/null 2>&1 || worker=redletter-worker-3
	docker kill --signal STOP "$worker" > /dev/null
	$python -m scripts.container_checks returns
	for _ in $(seq 120); do
		[ "$(docker inspect --format '{{.State.Health.Status}}' "$worker")" != unhealthy ] || break
		sleep 1
	done
	[ "$(docker inspect --format '{{.State.Health.Status}}' "$worker")" = unhealthy ]
	docker kill --signal CONT "$worker" > /dev/null
	healthy
}

start_engine
have python:3.11-slim || stand_in python:3.11-slim
have apache/kafka:4.3.0 || stand_in apache/kafka:4.3.0
have postgres:18 || stand_in postgres:18
build_ours

sed "s/^POSTGRES_PASSWORD=.*/POSTGRES_PASSWORD=$(head -c 12 /dev/urandom | od -An -tx1 | tr -d ' \n')/" .env.example > "$work/env"
say "docker compose up"
quietly system --profile simulator up --detach --no-build
healthy
say "the journeys of the demo"
$python -m scripts.container_checks journeys

say "three workers, two projectors"
quietly system --profile simulator up --detach --no-build --scale worker=3 --scale projector=2
healthy
$python -m scripts.container_checks shares worker
$python -m scripts.container_checks shares projector
$python -m scripts.container_checks returns
say "freezing a worker"
frozen_is_unhealthy

say "docker compose down and up again, with the same volumes"
$python -m scripts.container_checks statuses > "$work/before.json"
quietly system --profile simulator down
quietly system --profile simulator up --detach --no-build
healthy
$python -m scripts.container_checks statuses > "$work/after.json"
cmp "$work/before.json" "$work/after.json"
$python -m scripts.container_checks returns
quietly system --profile simulator down --volumes

say "Kafka and PostgreSQL only; the checkout creates topics and tables"
quietly system --profile dev up --detach --no-build
healthy
[ "$(docker ps --quiet --filter label=com.docker.compose.project=redletter | wc -l)" = 2 ]
REDLETTER_KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:9092 \
	REDLETTER_DATABASE_URL="postgresql://redletter:$(sed -n 's/^POSTGRES_PASSWORD=//p' "$work/env")@127.0.0.1:5432/redletter" \
	quietly .venv/bin/redletter migrate
quietly system --profile dev down --volumes

say "the integration tests, through testcontainers"
[ $# -gt 0 ] || set -- tests/transport tests/service tests/projections
TEST_SERVERS=containers $python -m pytest -q -m integration "$@"

#!/usr/bin/env bash
# Build redletter:test, the whole system in one container, and run the Testcontainers recipes of
# docs/integrate/containers.md in four languages: `make test-image`. Needs node, java with mvn, and go.
#
#   scripts/test_image.sh [LANGUAGE...]    default: all
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/engine.sh

finish() {
	status=$?
	trap - EXIT
	stop_engine
	[ $status = 0 ] || say "stopped with exit code $status; see $log" >&2
	exit $status
}
trap finish EXIT

start_engine
have python:3.11-slim || stand_in python:3.11-slim
say "building the image"
DOCKER_BUILDKIT=0 quietly docker build --network host --target test --tag redletter:test .
$python -m scripts.container_recipes "$@"

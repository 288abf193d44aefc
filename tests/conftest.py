"""Fixtures that every room's tests share: the real servers, and a fresh system on them."""

import asyncio
import signal
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import hypothesis
import psycopg
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from psycopg import sql

from events.topics import TOPICS
from projections import schema as read_side
from service.store import schema as write_side
from tests.support import servers as real
from transport import topics
from transport.addresses import Addresses

PARTITIONS = 8
pytest_plugins = ["tests.support.alone", "tests.support.read_tables"]

# A run in the background (`nohup make test &`) inherits an ignored SIGINT; so would every program that a test stops.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes to make or to run says how busy the machine is, and nothing of the program.
hypothesis.settings.register_profile(
    "redletter", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("redletter")


TESTS = Path(__file__).parent
FOLDERS_WITH_SERVERS = frozenset({"integration", "whole", "browser", "faults"})
"""Names of the folders whose tests need real servers; every other folder's tests need none."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need servers by the folder they are in, and refuse one that is in another folder."""
    for item in items:
        if FOLDERS_WITH_SERVERS.intersection(item.path.relative_to(TESTS).parts):
            item.add_marker(pytest.mark.integration)
        elif isinstance(item, pytest.Function) and "servers" in item.fixturenames:
            msg = f"{item.nodeid} uses real servers: move it to a folder called integration"
            raise pytest.UsageError(msg)


def pytest_report_header() -> str:
    """Say which servers the integration tests run on, and why not on others."""
    choice = real.choose()
    return f"servers: {choice.name} ({choice.why})"


def pytest_xdist_auto_num_workers() -> int:
    """Return how many processes share the tests of `-n auto`: more than one only if each starts its own servers."""
    return 0 if real.choose().name == "environment" else 2


@pytest.fixture(scope="session")
def servers() -> Iterator[Addresses]:
    """Kafka and PostgreSQL, started once for all tests that ask for them."""
    # Not below pytest's own folder: another run closes that to the user whom PostgreSQL runs as.
    with (
        tempfile.TemporaryDirectory(prefix="redletter-tests-") as folder,
        real.run(real.choose(), Path(folder)) as addresses,
    ):
        yield addresses


@pytest.fixture(scope="session")
def template(servers: Addresses) -> Iterator[str]:
    """Name a migrated database without rows; copying it takes a tenth of the time that migrating takes."""
    with database(servers) as url:
        write_side.migrate(url, PARTITIONS)
        read_side.ensure_read_tables(url)
        yield urlsplit(url).path.removeprefix("/")


@contextmanager
def database(servers: Addresses, template: str = "template1") -> Generator[str]:
    """Give a block a database of its own, a copy of another one, and return its URL."""
    own = f"test_{uuid4().hex}"
    with psycopg.connect(servers.database, autocommit=True) as connection:
        create = sql.SQL("create database {} template {}")
        connection.execute(create.format(sql.Identifier(own), sql.Identifier(template)))
    yield urlunsplit(urlsplit(servers.database)._replace(path=f"/{own}"))
    with psycopg.connect(servers.database, autocommit=True) as connection:
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(own)))


@asynccontextmanager
async def fresh(servers: Addresses, template: str) -> AsyncGenerator[Addresses]:
    """Give a block a system of its own: empty topics, and a migrated database that nobody else writes to."""
    await empty_topics(servers.kafka)
    with database(servers, template) as url:
        yield Addresses(servers.kafka, url)


@pytest.fixture
async def addresses(servers: Addresses, template: str) -> AsyncIterator[Addresses]:
    """Give one test a system of its own."""
    async with fresh(servers, template) as own:
        yield own


async def migrate(addresses: Addresses) -> None:
    """Create empty topics and all tables."""
    await empty_topics(addresses.kafka)
    write_side.migrate(addresses.database, PARTITIONS)
    read_side.ensure_read_tables(addresses.database)


async def empty_topics(bootstrap: str) -> None:
    """Recreate all topics."""
    await _delete_topics(bootstrap)
    await topics.ensure(bootstrap, TOPICS, PARTITIONS)


async def _delete_topics(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        ours = {topic.name for topic in TOPICS} & set(await admin.list_topics())
        if ours:
            await admin.delete_topics(sorted(ours))
        async with asyncio.timeout(30):
            while ours & set(await admin.list_topics()):  # the broker learns of it a moment later
                await asyncio.sleep(0.02)
    finally:
        await admin.close()

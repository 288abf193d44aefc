"""Fixtures that every room's tests share: the real servers, and a fresh system on them."""

import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import hypothesis
import pytest

from projections import schema as read_side
from service.store import schema as write_side
from tests.support import servers as real
from tests.support.fresh_system import PARTITIONS, database, fresh
from transport.addresses import Addresses

pytest_plugins = ["tests.support.databases", "tests.support.server_folders"]

# A run in the background (`nohup make test &`) inherits an ignored SIGINT; so would every program that a test stops.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes to make or to run says how busy the machine is, and nothing of the program.
hypothesis.settings.register_profile(
    "redletter", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("redletter")


def pytest_report_header() -> str:
    """Say which servers the integration tests run on, and why not on others."""
    choice = real.choose()
    return f"servers: {choice.name} ({choice.why})"


def pytest_xdist_auto_num_workers() -> int:
    """Return how many processes share the tests of `-n auto`: more than one only if each starts its own servers."""
    return 0 if real.choose().name == "environment" else 3


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


@pytest.fixture
async def addresses(servers: Addresses, template: str) -> AsyncIterator[Addresses]:
    """Give one test a system of its own."""
    async with fresh(servers, template) as own:
        yield own

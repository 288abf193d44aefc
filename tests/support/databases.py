"""Databases for the tests that need no topics."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from projections.catalogue import MODELS
from tests.support.fresh_system import database
from transport.addresses import Addresses

_LEFT = "drop table if exists projections.status_2"
_BESIDE = ("status_outbox", "stopped", "skipped", "writers", "parked", "handled_dead_letters")
_OTHERS = [Identifier("projections", name) for name in _BESIDE] + [
    Identifier("redletter", name) for name in ("positions", "parked_invoices", "timers")
]
_MODELS = [Identifier("projections", name) for entry in MODELS.values() for name in entry.make().names()]
_EMPTY = SQL(";").join(SQL("delete from {}").format(table) for table in (*_OTHERS, *_MODELS))
"""Where there are few rows this is many times as quick as to truncate the tables."""


@pytest.fixture(scope="session")
def own_database(servers: Addresses, template: str) -> Iterator[str]:
    """Return the URL of a database with all tables."""
    with database(servers, template) as url:
        yield url


@pytest.fixture
def tables(servers: Addresses, own_database: str) -> Addresses:
    """Return a database with all tables and no rows, quicker to have than a whole system, and the shared Kafka."""
    with psycopg.connect(own_database) as connection:
        connection.execute(_LEFT)
        connection.execute(_EMPTY)
    return Addresses(kafka=servers.kafka, database=own_database)


@pytest.fixture
def fresh_database(servers: Addresses, template: str) -> Iterator[Addresses]:
    """Return a database of the test's own, quicker to have than a whole system, and the shared Kafka."""
    with database(servers, template) as url:
        yield Addresses(kafka=servers.kafka, database=url)

"""A database for the tests that need no topics."""

from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from projections import schema
from projections.catalogue import MODELS
from service.store.schema import migrate
from tests.conftest import PARTITIONS
from transport.addresses import Addresses

_LEFT = """
    drop table if exists projections.status_2;
    truncate projections.status_outbox, projections.stopped, projections.skipped, projections.writers,
        redletter.positions
"""
_TABLES = [name for entry in MODELS.values() for name in entry.make().names()]


@pytest.fixture(scope="session")
def own_database(servers: Addresses) -> Iterator[str]:
    """Return the URL of a database with all tables."""
    name = f"projections_{uuid4().hex}"
    url = urlunsplit(urlsplit(servers.database)._replace(path=f"/{name}"))
    with psycopg.connect(servers.database, autocommit=True) as connection:
        connection.execute(SQL("create database {}").format(Identifier(name)))
        migrate(url, PARTITIONS)
        schema.ensure(url)
        yield url
        connection.execute(SQL("drop database {} with (force)").format(Identifier(name)))


@pytest.fixture
def tables(servers: Addresses, own_database: str) -> Addresses:
    """Return a database with all tables and no rows, quicker to have than a whole system, and the shared Kafka."""
    with psycopg.connect(own_database) as connection:
        connection.execute(_LEFT)
        for name in _TABLES:
            connection.execute(SQL("truncate {}").format(Identifier("projections", name)))
    return Addresses(kafka=servers.kafka, database=own_database)

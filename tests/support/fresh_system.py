"""A database and topics of a test's own, on the real servers."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
from aiokafka.admin import AIOKafkaAdminClient
from psycopg import sql

from events.topics import TOPICS
from projections import schema as read_side
from service.store import schema as write_side
from transport import topics
from transport.addresses import Addresses

PARTITIONS = 8


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
        async with asyncio.timeout(60):
            while ours & set(await admin.list_topics()):  # the broker learns of it a moment later
                await asyncio.sleep(0.02)
    finally:
        await admin.close()

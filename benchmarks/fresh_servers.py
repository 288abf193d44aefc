"""The servers of a benchmark, and on them a system of its own for every run."""

import asyncio
import os
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from psycopg import sql

from benchmarks.peers.kafka_streams import APPLICATION
from events.topics import EVENTS_TOPIC, REPLIES_TOPIC, TOPICS
from local.kafka_server import embedded_kafka
from local.postgres_server import embedded_postgres
from service.store import schema
from transport import topics
from transport.addresses import Addresses

PARTITIONS = 8
GONE_WITHIN = 30.0
"""Seconds in which the broker must forget the topics of the run before."""
KAFKA_VARIABLE = "REDLETTER_KAFKA_BOOTSTRAP_SERVERS"
DATABASE_VARIABLE = "REDLETTER_DATABASE_URL"


class Servers(NamedTuple):
    """Where the servers are, and the processes of those that run here, by name."""

    addresses: Addresses
    pids: Mapping[str, int]


@contextmanager
def servers() -> Generator[Servers]:
    """Take the servers that the environment names, which lose their topics, or run some of our own."""
    if KAFKA_VARIABLE in os.environ and DATABASE_VARIABLE in os.environ:
        yield Servers(Addresses(os.environ[KAFKA_VARIABLE], os.environ[DATABASE_VARIABLE]), {})
        return
    with TemporaryDirectory(prefix="redletter-bench-") as name:
        folder = Path(name)
        with embedded_kafka(folder / "kafka") as kafka, embedded_postgres(folder / "postgres") as postgres:
            pids = {"postgres": postgres.pid, "kafka": kafka.pid}
            yield Servers(Addresses(kafka.bootstrap, postgres.url), pids)


@asynccontextmanager
async def system(servers: Addresses) -> AsyncGenerator[Addresses]:
    """Create empty topics and the tables in a database that nobody else writes to; drop it afterwards.

    Events and replies carry the time at which the broker took them, which is what the clock reads.
    """
    name = sql.Identifier(f"bench_{uuid4().hex}")
    own = Addresses(servers.kafka, urlunsplit(urlsplit(servers.database)._replace(path=f"/{name.as_string()[1:-1]}")))
    with psycopg.connect(servers.database, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(name))
        try:
            await _lay_topics(own.kafka)
            await asyncio.to_thread(schema.migrate, own.database, PARTITIONS)
            connection.execute("checkpoint")  # so that no run pays for the one before
            yield own
        finally:
            connection.execute(sql.SQL("drop database {} with (force)").format(name))


async def _lay_topics(bootstrap: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap.split(","))
    await admin.start()
    try:
        await _delete_topics(admin)
        await topics.ensure(bootstrap, TOPICS, PARTITIONS)
        stamped = [topic for topic in TOPICS if topic.name in (EVENTS_TOPIC, REPLIES_TOPIC)]
        resources = [
            ConfigResource(
                ConfigResourceType.TOPIC, topic.name, topic.config() | {"message.timestamp.type": "LogAppendTime"}
            )
            for topic in stamped
        ]
        await admin.alter_configs(resources)
    finally:
        await admin.close()


async def _delete_topics(admin: AIOKafkaAdminClient) -> None:
    found = set(await admin.list_topics())
    ours = found & {topic.name for topic in TOPICS} | {name for name in found if name.startswith(APPLICATION)}
    if ours:
        await admin.delete_topics(sorted(ours))
    async with asyncio.timeout(GONE_WITHIN):
        while ours & set(await admin.list_topics()):  # the broker learns of it a moment later
            await asyncio.sleep(0.02)

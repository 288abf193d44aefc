"""A consumer group's work that writes what it saw into PostgreSQL, as every real one does."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psycopg
from aiokafka import AIOKafkaProducer

from tests.faults import support
from transport import consumer, positions
from transport.addresses import Addresses
from transport.batch import Batch
from transport.records import Undecodable

TOPIC = "invoice.commands.tax"
GROUP = "tests"
WITHIN = 30.0
"""Seconds in which what a test waits for must come to be."""


class Writing:
    """Writes values into a table in the transaction of the positions; fails on request."""

    def __init__(self, database: str) -> None:
        self.database = database
        self.fail: list[Exception] = []
        self.before: Callable[[], None] = lambda: None
        with psycopg.connect(database) as connection:
            connection.execute("create table if not exists seen (place serial, partition int, value text)")

    def handle(self, batch: Batch) -> None:
        """Write the batch down, or raise what the test asked for."""
        self.before()
        if self.fail:
            raise self.fail.pop()
        with psycopg.connect(self.database) as connection, connection.cursor() as cur:
            positions.advance(cur, GROUP, batch.moves)
            rows = [
                (record.partition, "undecodable" if isinstance(record, Undecodable) else (record.value or b"").decode())
                for record in batch.records
            ]
            cur.executemany("insert into seen (partition, value) values (%s, %s)", rows)

    def seen(self, partition: int | None = None) -> list[str]:
        """Return the values written so far, in order."""
        with psycopg.connect(self.database) as connection:
            rows = connection.execute("select partition, value from seen order by place").fetchall()
        return [value for number, value in rows if partition in (None, number)]


@asynccontextmanager
async def consuming(addresses: Addresses, work: Writing, max_records: int = 500) -> AsyncGenerator[None]:
    """Consume the topic for the length of a block."""
    task = asyncio.create_task(
        consumer.consume(addresses, group=GROUP, topics=[TOPIC], work=work, max_records=max_records)
    )
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds, with a bound."""
    deadline = time.monotonic() + WITHIN
    while not await asyncio.to_thread(condition):
        assert time.monotonic() < deadline, "it did not come to be"
        await asyncio.sleep(0.05)


async def publish(addresses: Addresses, values: Collection[str], partition: int = 0) -> None:
    """Publish values in order."""
    async with AIOKafkaProducer(bootstrap_servers=addresses.kafka, acks="all", enable_idempotence=True) as producer:
        sent = [await producer.send(TOPIC, value.encode(), partition=partition) for value in values]
        await asyncio.gather(*sent)


async def publish_undecodable(addresses: Addresses, partition: int = 0, topic: str = TOPIC) -> None:
    """Publish a record with a header name that is not UTF-8."""
    program = Path(support.__file__).with_name("undecodable.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(program),
        addresses.kafka,
        topic,
        str(partition),
        env={**os.environ, "AIOKAFKA_NO_EXTENSIONS": "1"},
    )
    assert await process.wait() == 0

"""A consumer group's work that writes what it saw into PostgreSQL, as every real one does."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import asynccontextmanager

import psycopg
from aiokafka import AIOKafkaProducer

from tests.support import waiting
from tests.support.tasks import running
from transport import consumer, positions
from transport.addresses import Addresses
from transport.batch import Batch
from transport.records import Undecodable

TOPIC = "invoice.commands.tax"
GROUP = "tests"


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
    async with running(consumer.consume(addresses, group=GROUP, topics=[TOPIC], work=work, max_records=max_records)):
        yield


async def until(condition: Callable[[], bool]) -> None:
    """Wait until a condition that asks the database holds."""

    async def holds() -> bool:
        return await asyncio.to_thread(condition)

    await waiting.until(holds)


async def publish(addresses: Addresses, values: Collection[str], partition: int = 0) -> None:
    """Publish values in order."""
    async with AIOKafkaProducer(bootstrap_servers=addresses.kafka, acks="all", enable_idempotence=True) as producer:
        sent = [await producer.send(TOPIC, value.encode(), partition=partition) for value in values]
        await asyncio.gather(*sent)

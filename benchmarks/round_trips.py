"""Round trips of commands that are sent at a steady rate: through redletter, and the bare one.

A command is accepted at the time at which the broker took its reply, and visible when a look at the status table, every
few milliseconds, finds it. The bare round trip is the least there is: produce one record, consume it, commit one row.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, LiteralString, NamedTuple

import psycopg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from events.topics import REPLIES_TOPIC, TAX_REQUESTS_TOPIC
from transport.addresses import Addresses
from transport.records import OutgoingRecord

LOOK_EVERY = 0.002
"""Seconds between two looks at the table."""
WITHIN = 60.0
BARE = TAX_REQUESTS_TOPIC
"""The topic of the bare round trip: registrations lead to no tax requests, so nobody else is on it."""

Times = Mapping[str, float]
"""Seconds since the epoch, by the key of a record."""


class Load(NamedTuple):
    """Commands that are sent at a rate, a second."""

    commands: Sequence[OutgoingRecord]
    rate: int

    @property
    def keys(self) -> Sequence[str]:
        """The invoice numbers."""
        return [(command.key or b"").decode() for command in self.commands]


@asynccontextmanager
async def _clients(bootstrap: str, topic: str) -> AsyncGenerator[tuple[AIOKafkaProducer, AIOKafkaConsumer]]:
    """Connect a producer, and a consumer that stands at the end of a topic."""
    servers: Any = bootstrap.split(",")
    async with (
        AIOKafkaProducer(bootstrap_servers=servers, acks="all") as producer,
        AIOKafkaConsumer(topic, bootstrap_servers=servers, isolation_level="read_committed") as consumer,
    ):
        await consumer.seek_to_end()
        for partition in consumer.assignment():
            await consumer.position(partition)
        yield producer, consumer


async def _paced(load: Load, send: Callable[[OutgoingRecord], Awaitable[object]]) -> Times:
    """Send at the rate, and return when each was sent."""
    sent: dict[str, float] = {}
    began = time.monotonic()
    sending: list[asyncio.Future[object]] = []
    for index, (key, command) in enumerate(zip(load.keys, load.commands, strict=True)):
        await asyncio.sleep(began + index / load.rate - time.monotonic())
        sent[key] = time.time()
        sending.append(asyncio.ensure_future(send(command)))
    await asyncio.gather(*sending)
    return sent


def _send(producer: AIOKafkaProducer, topic: str | None = None) -> Callable[[OutgoingRecord], Awaitable[object]]:
    async def send(message: OutgoingRecord) -> None:
        await producer.send_and_wait(topic or message.topic, message.value, key=message.key, headers=message.headers)

    return send


async def bare(own: Addresses, load: Load) -> Sequence[float]:
    """Return the seconds of each bare round trip."""
    rows: LiteralString = "insert into bare values (%s, %s)"
    seen: dict[str, float] = {}
    with psycopg.connect(own.database) as connection:
        connection.execute("create table if not exists bare (key text primary key, value bytea)")
        connection.execute("truncate bare")
        connection.commit()

        def commit(records: Sequence[Any]) -> None:
            with connection.cursor() as cur:
                cur.executemany(rows, [((record.key or b"").decode(), record.value) for record in records])
            connection.commit()

        async with _clients(own.kafka, BARE) as (producer, consumer):
            sending = asyncio.create_task(_paced(load, _send(producer, BARE)))
            while len(seen) < len(load.commands):
                records = list(itertools.chain.from_iterable((await consumer.getmany(timeout_ms=500)).values()))
                await asyncio.to_thread(commit, records)
                seen |= {(record.key or b"").decode(): time.time() for record in records}
            sent = await sending
    return [seen[key] - at for key, at in sent.items()]


async def redletter(own: Addresses, load: Load) -> tuple[Sequence[float], Sequence[float]]:
    """Return the seconds of each command from its sending, and from its being accepted, to its being visible."""
    async with _clients(own.kafka, REPLIES_TOPIC) as (producer, consumer):
        looking = asyncio.create_task(_visible(own, load))
        sending = asyncio.create_task(_paced(load, _send(producer)))
        accepted: dict[str, float] = {}
        async with asyncio.timeout(WITHIN):
            while len(accepted) < len(load.commands):
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    accepted |= {(record.key or b"").decode(): record.timestamp / 1000 for record in records}
            visible, sent = await looking, await sending
    return [visible[key] - at for key, at in sent.items()], [visible[key] - at for key, at in accepted.items()]


async def _visible(own: Addresses, load: Load) -> Times:
    """Look until all invoices are in the status table; return when each was first seen there."""
    query: LiteralString = "select invoice_number from projections.status where invoice_number = any(%s)"
    seen: dict[str, float] = {}
    ahead, numbers = 0, load.keys
    async with await psycopg.AsyncConnection.connect(own.database, autocommit=True) as connection:
        while len(seen) < len(numbers):
            while ahead < len(numbers) and numbers[ahead] in seen:
                ahead += 1
            near = [number for number in numbers[ahead : ahead + load.rate] if number not in seen]
            found = await (await connection.execute(query, (near,))).fetchall()
            seen |= {number: time.time() for (number,) in found}
            await asyncio.sleep(LOOK_EVERY)
    return seen

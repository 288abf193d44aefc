"""What a projector has made of events: versions of rows, documents on the status topic, stopped read models."""

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import psycopg
from aiokafka import TopicPartition
from psycopg.sql import SQL, Identifier

from events.invoice_events import AnyInvoiceEvent
from events.topics import STATUS_TOPIC
from projections.engine import health
from tests.projections.support import facts
from transport.addresses import Addresses
from transport.clients.kafka import make_consumer, running

STORY = (facts.issued(), facts.posting(), facts.requested(), facts.confirmed(), facts.credited(), facts.returned())


class Document(NamedTuple):
    """A record of the status topic, read."""

    number: str
    headers: dict[str, bytes]
    body: dict[str, Any]


def story(number: str) -> Sequence[AnyInvoiceEvent]:
    return [event.model_copy(update={"invoice_number": number}) for event in STORY]


def number(count: int) -> str:
    return f"26{count:018}"


@asynccontextmanager
async def statuses(addresses: Addresses) -> AsyncGenerator[Callable[[], Awaitable[list[Document]]]]:
    """Yield a reader of all committed status documents so far."""
    seen: list[Document] = []

    async with running(make_consumer(addresses.kafka, "tests", auto_offset_reset="earliest")) as consumer:
        consumer.assign([TopicPartition(STATUS_TOPIC, partition) for partition in range(8)])

        async def read() -> list[Document]:
            several: dict[Any, list[Any]] = await consumer.getmany(timeout_ms=100)
            for records in several.values():
                seen.extend(Document(one.key.decode(), dict(one.headers), json.loads(one.value)) for one in records)
            return seen

        yield read


def newest(published: Sequence[Document]) -> dict[str, dict[str, Any]]:
    """Return what a compacted topic keeps, after checking that no document ever went back."""
    kept: dict[str, dict[str, Any]] = {}
    for number, _, body in published:
        assert body["version"] >= kept.get(number, {"version": 0})["version"], f"{number} went back"
        kept[number] = body
    return kept


async def versions(addresses: Addresses, model: str) -> dict[str, int]:
    """Return the version of each invoice that a read model has reached."""
    query = SQL("select invoice_number, version from {}").format(Identifier("projections", model))
    async with await psycopg.AsyncConnection.connect(addresses.database) as connection:
        rows = await (await connection.execute(query)).fetchall()
    return {invoice: version for invoice, version in rows}  # noqa: C416 - as dict() of untyped rows is unknown


async def stopped(addresses: Addresses) -> list[health.Stopped]:
    async with await psycopg.AsyncConnection.connect(addresses.database) as connection:
        return await health.stopped(connection)


async def reached(addresses: Addresses, model: str, version: int) -> bool:
    return await versions(addresses, model) == {facts.NUMBER: version}

"""A clock that runs: the events it is given, and what it sends."""

import asyncio
import itertools
import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, LiteralString

import psycopg
from aiokafka import AIOKafkaProducer

from events import cloudevents
from events.catalogue import json_of, name_of, stored_name
from events.invoice_events import AnyInvoiceEvent, InvoiceIssued
from events.topics import EVENTS_TOPIC, TAX_REQUESTS_TOPIC
from rules.calendar import MAINLAND_CHINA, MainlandChina
from service import clock
from tests.faults.support.evidence import everything, headers
from tests.service.support import clock_facts
from tests.support.tasks import running
from transport.addresses import Addresses

SOON = timedelta(milliseconds=300)
NEVER = timedelta(hours=1)
_versions = itertools.count(1)


@dataclass(frozen=True)
class Sent:
    """One message that the clock sent."""

    name: str
    id: str
    key: str
    body: dict[str, Any]
    at: int


async def sent(addresses: Addresses, topic: str = TAX_REQUESTS_TOPIC) -> list[Sent]:
    """Return what is on a topic that the clock sends to, by time."""
    records = await everything(addresses.kafka, topic)
    return [
        Sent(
            stored_name(headers(record)["ce_type"]).removesuffix(".v1"),
            headers(record)["ce_id"],
            (record.key or b"").decode(),
            json.loads(record.value or b"{}"),
            record.timestamp,
        )
        for record in sorted(records, key=lambda record: record.timestamp)
    ]


async def until(
    addresses: Addresses, enough: Callable[[list[Sent]], bool], topic: str = TAX_REQUESTS_TOPIC
) -> list[Sent]:
    """Wait until what was sent is enough, and return it."""
    async with asyncio.timeout(60):
        while not enough(found := await sent(addresses, topic)):
            await asyncio.sleep(0.05)
    return found


async def happened(addresses: Addresses, *events: AnyInvoiceEvent, written: Callable[[bytes], bytes] = bytes) -> None:
    """Record and publish events as worker and relay do. written: how another release writes what this one writes."""
    for event in events:
        if isinstance(event, InvoiceIssued):
            await asyncio.to_thread(_record, addresses, event, written)
    async with AIOKafkaProducer(bootstrap_servers=addresses.kafka, acks="all") as producer:
        for event in events:
            version = next(_versions)
            headers = cloudevents.headers(
                id=f"event-{version}",
                source="urn:redletter:worker",
                name=name_of(type(event)),
                subject=event.invoice_number,
                time=event.occurred_at,
                correlation="story",
                causation="command",
                version=version,
            )
            as_written = [(name, written(value)) for name, value in headers]
            key = event.invoice_number.encode()
            await producer.send_and_wait(EVENTS_TOPIC, written(json_of(event)), key=key, headers=as_written)


_RECORD = """
    insert into redletter.invoice_events (originator_id, originator_version, topic, state, occurred_at, causation_id,
        correlation_id, partition, place)
    values (%s, 1, %s, %s, %s, 'command', 'story', 0, %s)
"""


def _record(addresses: Addresses, event: InvoiceIssued, written: Callable[[bytes], bytes]) -> None:
    name = written(name_of(InvoiceIssued).encode()).decode()
    row = (event.invoice_number, name, written(json_of(event)), event.occurred_at, next(_versions))
    with psycopg.connect(addresses.database) as connection:
        connection.execute(_RECORD, row)


@asynccontextmanager
async def ticking(
    addresses: Addresses,
    repeat: timedelta = NEVER,
    most: timedelta = NEVER,
    calendar: MainlandChina = MAINLAND_CHINA,
) -> AsyncGenerator[None]:
    """Run a clock for the length of a block."""
    work = clock.run(addresses, clock_shift=timedelta(0), calendar=calendar, repeat=repeat, repeat_max=most)
    async with running(work):
        yield


def timers(addresses: Addresses, query: LiteralString) -> list[Any]:
    """Ask about the timer of the first question. query: with one parameter, its id."""
    with psycopg.connect(addresses.database) as connection:
        return [value for (value,) in connection.execute(query, (f"{clock_facts.RETURN}-VerifyRedFontForm",))]


def names(found: list[Sent]) -> list[str]:
    return [one.name for one in found]

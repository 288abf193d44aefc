"""Release parked invoices: fold each anew from its events, and let the projector resume it.

The live read model is paused while that happens, so that no event is left out. Other read models and queries are not.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import LiteralString, NamedTuple

from aiokafka import TopicPartition
from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from projections.catalogue import REBUILT, CatalogueEntry
from projections.engine import health
from projections.engine.health import Retired, reason
from projections.engine.read_model import Cur, about
from transport import positions
from transport.addresses import Addresses
from transport.clients.kafka import topic_reader
from transport.clients.postgres import connect
from transport.clients.stepping_consumer import SteppingConsumer
from transport.records import ConsumerRecord, Undecodable

_ROLE = "projections"
_FROZEN_AFTER = "20s"
"""A frozen release would hold the positions of the read model locked for ever."""
_ANSWER_SECONDS = 10.0
"""Seconds to wait for the next of the records that the live read model has read."""
_MAX_RECORDS = 5000
"""Records in one call."""
_PARKED: LiteralString = """
    select model, invoice_number, topic, partition, record_offset, version, why, since from projections.parked
    where model = any(%s) order by since, model, invoice_number
"""
_LOCK = "select 1 from projections.parked where model = %s and invoice_number = %s for update"
_UNPARK = "delete from projections.parked where model = %s and invoice_number = %s"


class OutOfDateInvoice(NamedTuple):
    """An invoice that a read model could not fold. version and record_offset: of the first event that it lacks."""

    model: str
    invoice_number: str
    topic: str
    partition: int
    record_offset: int
    version: int
    why: str
    since: datetime


class EventsMissing(Exception):
    """Kafka does not hand out events that the live read model has read."""


def parked_invoices(database: str, models: Collection[str] = tuple(REBUILT)) -> list[OutOfDateInvoice]:
    """Return what read models have parked, the oldest first. Raises: psycopg.Error."""
    with connect(database, _ROLE) as connection, connection.cursor(row_factory=class_row(OutOfDateInvoice)) as cur:
        return cur.execute(_PARKED, (list(models),)).fetchall()


async def release(addresses: Addresses, entry: CatalogueEntry, numbers: Collection[str]) -> Mapping[str, str]:
    """Fold parked invoices of a read model anew; return those that cannot be folded still, and why, which stay parked.

    Reads `invoice.events` from the beginning, in the partitions of these invoices. Raises: Retired, EventsMissing,
    KafkaError, psycopg.Error; nothing is changed then.
    """
    parked = [one for one in parked_invoices(addresses.database, [entry.name]) if one.invoice_number in numbers]
    async with topic_reader(addresses.kafka, _ROLE) as consumer:
        events = _Events(consumer, parked)
        await events.begin()
        with connect(addresses.database, _ROLE, idle_in_transaction_session_timeout=_FROZEN_AFTER) as connection:
            with connection.cursor() as cur:
                await events.read_to(positions.of_topic(cur, entry.consumer, entry.topic))
            with connection.transaction(), connection.cursor() as cur:
                # With the positions locked no rebuild can switch the tables.
                await events.read_to(positions.of_topic(cur, entry.consumer, entry.topic, lock=True))
                return _fold_all(connection, cur, entry, events.by_number)


class _Events:
    """The records of some invoices, read from the beginning of their partitions."""

    def __init__(self, consumer: SteppingConsumer, parked: Collection[OutOfDateInvoice]) -> None:
        self._consumer = consumer
        self._partitions = sorted({TopicPartition(one.topic, one.partition) for one in parked})
        self._by_key: dict[bytes, list[ConsumerRecord]] = {one.invoice_number.encode(): [] for one in parked}

    @property
    def by_number(self) -> Mapping[str, Sequence[ConsumerRecord]]:
        """What was read, by number of the invoice."""
        return {key.decode(): records for key, records in self._by_key.items()}

    async def begin(self) -> None:
        """Begin at the beginning of every partition."""
        self._consumer.assign(self._partitions)
        for partition, start in (await self._consumer.beginning_offsets(self._partitions)).items():
            self._consumer.seek(partition, start)

    async def read_to(self, targets: Mapping[TopicPartition, int]) -> None:
        """Read exactly up to these offsets. Raises: EventsMissing, KafkaError."""
        came_at = time.monotonic()
        while [one for one in self._partitions if await self._consumer.position(one) < targets[one]]:
            came = await self._consumer.getmany(timeout_ms=500, max_records=_MAX_RECORDS)
            if came:
                came_at = time.monotonic()
            elif time.monotonic() - came_at > _ANSWER_SECONDS:
                msg = f"Kafka does not hand out records of {self._partitions} that the live read model has read"
                raise EventsMissing(msg)
            for partition, records in came.items():
                self._keep([record for record in records if record.offset < targets[partition]])
                if records[-1].offset >= targets[partition]:
                    self._consumer.seek(partition, targets[partition])

    def _keep(self, records: Sequence[ConsumerRecord | Undecodable]) -> None:
        for record in records:
            if not isinstance(record, Undecodable) and (kept := self._by_key.get(record.key or b"")) is not None:
                kept.append(record)


def _fold_all(
    connection: Connection[TupleRow], cur: Cur, entry: CatalogueEntry, events: Mapping[str, Sequence[ConsumerRecord]]
) -> Mapping[str, str]:
    """Fold each invoice for itself; return those that cannot be folded, and why. Raises: Retired, psycopg.Error."""
    health.ask(cur, {entry.name: entry.fingerprint})
    if health.stored_health(cur).retired:
        raise Retired
    failed: dict[str, str] = {}
    for number, records in sorted(events.items()):
        try:
            with connection.transaction():
                _fold_anew(cur, entry, number, records)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is reported, and the invoice stays parked
            failed[number] = reason(error)
    return failed


def _fold_anew(cur: Cur, entry: CatalogueEntry, number: str, records: Sequence[ConsumerRecord]) -> None:
    if cur.execute(_LOCK, (entry.name, number)).fetchone() is None:
        return  # somebody else has released it
    if not records:
        msg = "its events are not on the topic"
        raise EventsMissing(msg)
    model = entry.make()
    for table in model.names():
        cur.execute(about(table, "delete from {table} where invoice_number = %s"), (number,))
    model.project(cur, records)
    cur.execute(_UNPARK, (entry.name, number))

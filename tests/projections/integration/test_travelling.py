"""On real servers: a read model that has been left behind catches up alone, and is taken along by the others again."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
import pytest
from aiokafka import AIOKafkaProducer

from events.invoice_events import AnyInvoiceEvent
from events.names import PROJECTOR_GROUP
from events.topics import EVENTS_TOPIC
from projections import catalogue, projector, schema
from projections.catalogue import REBUILT
from projections.engine.joint_projection import JointProjection
from projections.engine.projection import Projection
from projections.engine.version_gaps import VersionGap
from tests.projections.support import facts
from tests.projections.support.published import message
from tests.support.tasks import running
from transport import group_reading
from transport.addresses import Addresses
from transport.batch import Batch

CONSUMERS = {entry.name: entry.consumer for entry in REBUILT.values()} | {"leader": PROJECTOR_GROUP}
WITHIN = 60.0
"""Seconds to wait for anything."""


def invoice(count: int) -> AnyInvoiceEvent:
    return facts.issued(invoice_number=f"26{count:018}")


async def publish(addresses: Addresses, *counts: int, partition: int = 0) -> None:
    writer: Any = AIOKafkaProducer(bootstrap_servers=addresses.kafka, enable_idempotence=True)
    async with writer as producer:
        for one in (message(invoice(count), 1) for count in counts):
            await producer.send_and_wait(one.topic, one.value, one.key, partition, headers=one.headers)


def at(addresses: Addresses, partition: int = 0) -> Mapping[str, int]:
    with psycopg.connect(addresses.database) as connection:
        found = dict(
            connection.execute(
                "select consumer, next from redletter.positions where topic = %s and partition = %s",
                (EVENTS_TOPIC, partition),
            ).fetchall()
        )
    return {name: found.get(consumer, 0) for name, consumer in CONSUMERS.items()}


async def until(addresses: Addresses, next_: int, partition: int = 0, **but: int) -> None:
    """Wait until all stand at an offset, with exceptions."""
    expected = dict.fromkeys(CONSUMERS, next_) | but
    end = time.monotonic() + WITHIN
    while (found := await asyncio.to_thread(at, addresses, partition)) != expected:
        assert time.monotonic() < end, found
        await asyncio.sleep(0.05)


def invoices(batches: Sequence[Batch]) -> set[int]:
    keys = {getattr(one, "key", b"") for batch in batches for one in batch.records}
    return {count for count in range(12) if message(invoice(count), 1).key in keys}


async def test_a_read_model_that_stopped_catches_up_alone_and_is_then_taken_along(
    addresses: Addresses, monkeypatch: pytest.MonkeyPatch
) -> None:
    fold, failing, alone, together = catalogue.details.fold, [True], list[Batch](), list[Batch]()

    def now_and_then(row: Any, event: AnyInvoiceEvent, version: int) -> Any:
        if failing and event.invoice_number == f"26{2:018}":
            raise VersionGap(event.invoice_number, 1, 3)
        return fold(row, event, version)

    def noting(handle: Any, batches: list[Batch]) -> Any:
        def noted(self: Any, batch: Batch) -> None:
            handle(self, batch)
            if getattr(self, "parks", "details") == "details":
                batches.append(batch)

        return noted

    monkeypatch.setattr(catalogue.details, "fold", now_and_then)
    monkeypatch.setattr(group_reading, "RETRY_SECONDS", 0.5)
    monkeypatch.setattr(JointProjection, "handle", noting(JointProjection.handle, together))
    monkeypatch.setattr(Projection, "handle", noting(Projection.handle, alone))
    async with running(projector.run(addresses)):
        await publish(addresses, 1)
        await until(addresses, 1)
        await publish(addresses, 2, 3)
        await publish(addresses, 4, partition=1)
        await until(addresses, 3, details=1)
        await until(addresses, 1, partition=1)
        await publish(addresses, 5)
        await until(addresses, 4, details=1)
        assert not invoices(alone) & {2, 3, 5}
        failing.clear()
        await until(addresses, 4)
        assert invoices(alone) >= {2, 3, 5}
        # Whoever looks up its position in the moment of a batch is left out of that one, and reads it alone.
        count, next_ = 6, 5
        await publish(addresses, count)
        await until(addresses, next_)
        while count in invoices(alone):
            count, next_ = count + 1, next_ + 1
            assert count < 12
            await publish(addresses, count)
            await until(addresses, next_)
    assert invoices(together) >= {1, 2, 3, 4, 5, 6}


async def test_read_models_of_an_earlier_release_are_taken_along_from_where_they_are(addresses: Addresses) -> None:
    async with running(projector.run(addresses)):
        await publish(addresses, 1, 2)
        await until(addresses, 2)
    with psycopg.connect(addresses.database) as connection:
        connection.execute("delete from redletter.positions where consumer = %s", (PROJECTOR_GROUP,))
        connection.execute(
            "update redletter.positions set next = 1 where consumer = %s and partition = 0", (CONSUMERS["forms"],)
        )
    await asyncio.to_thread(schema.ensure_read_tables, addresses.database)
    assert at(addresses) == dict.fromkeys(CONSUMERS, 2) | {"forms": 1}
    async with running(projector.run(addresses)):
        await until(addresses, 2)

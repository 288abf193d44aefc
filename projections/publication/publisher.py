"""Changed status documents go to the compacted topic `invoice.status`; a document may repeat, but never goes back.

Each partition of `invoice.events` has a transactional id, taken before its documents are read. A projector that was
frozen and lost the partition can still read and send, but its transaction fails.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence

import psycopg
import structlog
from aiokafka.errors import KafkaError
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from events.cloudevents import headers
from events.names import PROJECTOR_SOURCE, event_id, projector_group
from events.topics import STATUS_TOPIC
from projections.publication import outbox
from projections.publication.failing import Failing
from projections.publication.outbox import Unpublished
from transport.addresses import Addresses
from transport.clients.postgres import connect_async
from transport.producer import Fenced, FencedProducers
from transport.records import OutgoingRecord

log = structlog.get_logger(__name__)

NAME = projector_group("status")
"""Prefix of the transactional ids."""
MOST = 500
"""Documents of a partition in one Kafka transaction."""
LOOK_EVERY = 1.0
"""Seconds after which to look for documents that nobody announced: another process's, or those of before a crash."""
GATHER = 0.01
"""Seconds to gather documents after the first: a transaction begun right after another waits 20 ms for its markers."""
STAND_OFF = 5.0
"""Seconds to leave a partition to the process that took it; by then Kafka has said whose it is."""
PAUSE = 1.0
"""Seconds to wait after a failure."""


class Publisher:
    """Publishes the documents of the partitions that this process owns."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._partitions: frozenset[int] = frozenset()
        self._left_until: dict[int, float] = {}
        self._failing = Failing(addresses.database)

    async def assigned(self, partitions: frozenset[int]) -> None:
        """Own these partitions from now on, and no others."""
        self._partitions = partitions
        self._failing.owned(partitions)
        self._left_until = {}
        self._changed.set()

    async def revoked(self, _partitions: frozenset[int]) -> None:
        """Own nothing until the next assignment, which tells all that is ours."""
        self._partitions = frozenset()

    def wake(self) -> None:
        """Say, from any thread, that there are new documents."""
        self._loop.call_soon_threadsafe(self._changed.set)

    async def run(self) -> None:
        """Publish until cancelled."""
        producers = FencedProducers(self._addresses.kafka, NAME)
        try:
            while True:
                try:
                    await self._publish_with(producers)
                except (psycopg.Error, KafkaError, OSError) as error:
                    log.warning("status documents wait", error=repr(error))
                    await self._failing.failed(self._partitions, error)
                    await asyncio.sleep(PAUSE)
        finally:
            self._failing.close()
            await producers.close()

    async def _publish_with(self, producers: FencedProducers) -> None:
        """Publish until something fails."""
        async with await connect_async(self._addresses.database, "projector") as connection:
            while True:
                self._changed.clear()
                if not await self._publish_pending(connection, producers):
                    await self._until_changed()

    async def _until_changed(self) -> None:
        try:
            await asyncio.wait_for(self._changed.wait(), LOOK_EVERY)
            await asyncio.sleep(GATHER)
        except TimeoutError:
            pass

    async def _publish_pending(self, connection: AsyncConnection[TupleRow], producers: FencedProducers) -> int:
        """Publish once what there is, and return how many documents that was."""
        owned = self._owned()
        await producers.own(owned)
        by_partition: dict[int, list[Unpublished]] = defaultdict(list)
        for document in await outbox.pending(connection, owned, MOST) if owned else ():
            by_partition[document.partition].append(document)
        published = await asyncio.gather(
            *(self._publish(producers, partition, documents) for partition, documents in by_partition.items())
        )
        done = [document for documents in published for document in documents]
        if done:
            await outbox.drop(connection, done)
        await self._failing.went_on(owned - self._left_until.keys())
        return len(done)

    def _owned(self) -> frozenset[int]:
        now = time.monotonic()
        return frozenset(p for p in self._partitions if self._left_until.get(p, now) <= now)

    async def _publish(
        self, producers: FencedProducers, partition: int, documents: Sequence[Unpublished]
    ) -> Sequence[Unpublished]:
        """Publish one partition's documents, and return those that are published: all, or none after a failure."""
        try:
            await producers.publish(partition, [message(document) for document in documents])
        except Fenced:
            log.warning("another projector publishes this partition now", partition=partition)
            self._left_until[partition] = time.monotonic() + STAND_OFF
        except KafkaError as error:
            log.warning("status documents wait", partition=partition, error=repr(error))
            self._left_until[partition] = time.monotonic() + PAUSE
            await self._failing.failed([partition], error)
        else:
            self._left_until.pop(partition, None)
            return documents
        return ()


def message(document: Unpublished) -> OutgoingRecord:
    """Return the record of a document. The same version always has the same id."""
    return OutgoingRecord(
        topic=STATUS_TOPIC,
        key=document.invoice_number.encode(),
        value=document.document.encode(),
        headers=headers(
            id=event_id(document.invoice_number, document.version),
            source=PROJECTOR_SOURCE,
            name="InvoiceStatus.v1",
            subject=document.invoice_number,
            time=document.as_of,
            correlation=document.correlation,
            causation=document.causation,
            traceparent=document.traceparent,
        ),
    )

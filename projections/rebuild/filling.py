"""New tables filled from the beginning of the topic, in batches, each with its positions in one transaction."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import psycopg
from aiokafka import TopicPartition

from projections.catalogue import CatalogueEntry
from projections.engine.fault_isolation import up_to_stop
from projections.engine.parking import is_fault_of_event
from projections.engine.projection import Projection
from projections.rebuild.tables import NEW, rebuilding
from transport.addresses import Addresses
from transport.batch import Batch
from transport.clients.kafka import topic_reader
from transport.clients.stepping_consumer import SteppingConsumer
from transport.positions import PositionLost
from transport.records import KafkaRecord, next_offset

MAX_FILL_RECORDS = 5000
"""Records in one transaction."""

_STALLED_SECONDS = 30.0
"""Seconds without any record after which the fill gives up waiting for those that are missing."""
MAX_STALL_SECONDS_WHILE_PAUSED = 10.0
"""The same while the live read model is paused."""

PartitionOffsets = dict[TopicPartition, int]
Progress = Callable[[int, int], None]
"""Called with (records done, records in all), both counted as offsets."""


class CannotFold(Exception):
    """A record cannot be folded by this code; the message says which and why."""


class Stalled(Exception):
    """Records that the live read model has read are not delivered."""


class Filling:
    """Fills the new tables of one read model."""

    def __init__(
        self, addresses: Addresses, entry: CatalogueEntry, consumer: SteppingConsumer, progress: Progress
    ) -> None:
        self._consumer = consumer
        self._projection = Projection(
            addresses.database, consumer=rebuilding(entry), model=entry.build(NEW), parks=entry.name + NEW
        )
        self._progress = progress
        self.at: PartitionOffsets = {}

    async def begin(self, partitions: Sequence[TopicPartition]) -> None:
        """Continue from the positions of the new tables."""
        self.at = await self.stored(partitions)
        self._consumer.assign(list(partitions))
        for partition, position in self.at.items():
            self._consumer.seek(partition, position)

    async def stored(self, partitions: Sequence[TopicPartition]) -> PartitionOffsets:
        """Return the positions of the new tables, whichever process filled them."""
        return await asyncio.to_thread(self._projection.positions, partitions)

    async def reach(self, targets: Mapping[TopicPartition, int], stalled_after: float | None = None) -> None:
        """Fill until exactly these positions are reached; none may lie before those of the tables.

        stalled_after: seconds, `_STALLED_SECONDS` by default. Raises: CannotFold, Stalled, KafkaError, psycopg.Error.
        """
        total = sum(targets.values())
        fetched = dict(self.at)
        writing: asyncio.Task[None] | None = None
        came_at = time.monotonic()
        try:
            while missing := [one for one, target in targets.items() if fetched[one] < target]:
                batch = await self._fetch(fetched, targets)
                if batch:
                    came_at = time.monotonic()
                elif time.monotonic() - came_at > (_STALLED_SECONDS if stalled_after is None else stalled_after):
                    raise _stalled(missing[0], fetched[missing[0]], targets[missing[0]])
                if writing:
                    await writing  # while it was written, the next batch was fetched
                writing = asyncio.create_task(self._write(batch, total)) if batch else None
        finally:
            if writing:
                await writing

    async def close(self) -> None:
        """Close the connection."""
        await asyncio.to_thread(self._projection.close)

    async def _fetch(self, fetched: PartitionOffsets, targets: Mapping[TopicPartition, int]) -> Batch | None:
        records: list[KafkaRecord] = []
        starts = dict(fetched)
        came = await self._consumer.getmany(timeout_ms=500, max_records=MAX_FILL_RECORDS)
        for partition, found in came.items():
            wanted = [record for record in found if record.offset < targets.get(partition, 0)]
            if len(wanted) < len(found):
                self._consumer.seek(partition, targets[partition])
            if wanted:
                fetched[partition] = next_offset(wanted[-1])
                records += wanted
        return Batch(records, starts) if records else None

    async def _write(self, batch: Batch, total: int) -> None:
        await asyncio.to_thread(self._project, batch)
        self.at |= batch.ends
        self._progress(sum(self.at.values()), total)

    def _project(self, batch: Batch) -> None:
        """Project the batch, and park invoices that cannot be folded. Raises: as `reach`, and PositionLost."""
        try:
            self._projection.handle(batch)
        except PositionLost:
            raise
        except Exception as error:
            if isinstance(error, psycopg.Error) and not is_fault_of_event(error):
                raise
            for partition in batch.partitions():
                if stop := up_to_stop(self._projection, batch.of([partition])):
                    raise CannotFold(stop.why) from error


def _stalled(partition: TopicPartition, at: int, target: int) -> Stalled:
    topic, number = partition
    return Stalled(
        f"Kafka delivers no records of {topic}[{number}] from offset {at} on, but the live read model has read up to "
        f"{target}: records are missing from the topic, or the database belongs to other topics"
    )


@asynccontextmanager
async def filling(addresses: Addresses, entry: CatalogueEntry, progress: Progress) -> AsyncGenerator[Filling]:
    """Connect, and yield what fills the new tables of a read model. Raises: KafkaError, psycopg.Error."""
    async with topic_reader(addresses.kafka, "rebuild") as consumer:
        work = Filling(addresses, entry, consumer, progress)
        try:
            yield work
        finally:
            await work.close()

"""New tables filled from the beginning of the topic, in batches, each with its positions in one transaction."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from projections.models import Entry
from projections.projection import Projection
from projections.rebuild.tables import NEW, rebuilding
from transport.addresses import Addresses
from transport.consumer import Batch
from transport.positions import Move
from transport.stepping import ConsumerRecord

MOST = 5000
"""Records in one transaction."""

Positions = dict[TopicPartition, int]
Progress = Callable[[int, int], None]
"""Told (records done, records in all), both counted as offsets."""


class Filling:
    """Fills the new tables of one read model."""

    def __init__(self, addresses: Addresses, entry: Entry, consumer: AIOKafkaConsumer, progress: Progress) -> None:
        self._consumer = consumer
        self._projection = Projection(addresses.database, consumer=rebuilding(entry), model=entry.build(NEW))
        self._progress = progress
        self.at: Positions = {}

    async def begin(self, partitions: Sequence[TopicPartition]) -> None:
        """Go on from where the new tables are."""
        self.at = await self.stored(partitions)
        self._consumer.assign(list(partitions))
        for partition, position in self.at.items():
            self._consumer.seek(partition, position)

    async def stored(self, partitions: Sequence[TopicPartition]) -> Positions:
        """Return where the new tables are, whoever filled them."""
        return await asyncio.to_thread(self._projection.positions, partitions)

    async def reach(self, targets: Mapping[TopicPartition, int]) -> None:
        """Fill until exactly these positions are reached; none may lie before where the tables are."""
        total = sum(targets.values())
        fetched = dict(self.at)
        writing: asyncio.Task[None] | None = None
        try:
            while any(fetched[partition] < target for partition, target in targets.items()):
                batch = await self._fetch(fetched, targets)
                if writing:
                    await writing  # the next batch was fetched meanwhile
                writing = asyncio.create_task(self._write(batch, total)) if batch else None
        finally:
            if writing:
                await writing

    async def close(self) -> None:
        """Let go of the connection."""
        await asyncio.to_thread(self._projection.close)

    async def _fetch(self, fetched: Positions, targets: Mapping[TopicPartition, int]) -> Batch | None:
        records: list[ConsumerRecord] = []
        moves: list[Move] = []
        for partition, found in (await self._consumer.getmany(timeout_ms=500, max_records=MOST)).items():
            wanted = [record for record in found if record.offset < targets.get(partition, 0)]
            if len(wanted) < len(found):
                self._consumer.seek(partition, targets[partition])
            if wanted:
                next_ = wanted[-1].offset + 1
                moves.append(Move(partition.topic, partition.partition, was=fetched[partition], next=next_))
                fetched[partition] = next_
                records += wanted
        return Batch(records, moves) if records else None

    async def _write(self, batch: Batch, total: int) -> None:
        await asyncio.to_thread(self._projection.handle, batch)
        self.at |= {TopicPartition(move.topic, move.partition): move.next for move in batch.moves}
        self._progress(sum(self.at.values()), total)


@asynccontextmanager
async def filling(addresses: Addresses, entry: Entry, progress: Progress) -> AsyncGenerator[Filling]:
    """Connect, and yield what fills the new tables of a read model. Raises: KafkaError, psycopg.Error."""
    servers: Any = addresses.kafka.split(",")
    consumer = AIOKafkaConsumer(
        bootstrap_servers=servers,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_bytes=50 << 20,
        max_partition_fetch_bytes=4 << 20,
    )
    await consumer.start()
    work = Filling(addresses, entry, consumer, progress)
    try:
        yield work
    finally:
        await work.close()
        await consumer.stop()

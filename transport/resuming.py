"""Find out where a member of a consumer group resumes, from the positions in PostgreSQL and the logs in Kafka."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import replace

from aiokafka import TopicPartition
from psycopg import Cursor
from psycopg.rows import TupleRow

from transport import positions
from transport.clients.postgres import KeptSession
from transport.clients.stepping_consumer import SteppingConsumer
from transport.partition_logs import PartitionLog, partition_logs
from transport.positions import GroupPosition, Placement
from transport.threads import OwnThread
from transport.topic_ids import topic_ids

CLOSE_WITHIN = 1.0
"""Seconds to wait for the session to close."""
_SETTINGS = {"lock_timeout": "5s", "transaction_timeout": "10s"}
"""A frozen process must not keep others from their positions."""

Found = Callable[[Cursor[TupleRow], Collection[TopicPartition]], None]
"""Called with partitions that are about to be read, in the transaction that looked up their positions."""


class Places:
    """The stored positions of one consumer group, asked for over a session and in a thread of its own."""

    def __init__(self, group: str, database: str, found: Found | None = None, leader: str | None = None) -> None:
        """``leader``: a group that takes this one along, which so reads only where it is behind the leader."""
        self._group = group
        self._found = found
        self._leader = leader
        self._session = KeptSession(database, f"{group} positions", **_SETTINGS)
        self._thread = OwnThread(f"{group} positions")

    async def ask(self, consumer: SteppingConsumer, partitions: Collection[TopicPartition]) -> Placement:
        """Compare the positions with the logs, and return where to resume.

        A partition that Kafka cannot describe now is left out. Raises: KafkaError, TimeoutError, psycopg.Error.
        """
        # Positions before logs: others move positions all the time, past what was the end of a log a moment ago.
        before = await self._thread.run(self._stored, partitions)
        return await self._thread.run(self._place, before, await partition_logs(consumer, partitions))

    async def changed(
        self,
        consumer: SteppingConsumer,
        offsets: Mapping[TopicPartition, int | None],
    ) -> list[TopicPartition]:
        """Return the partitions whose position or log is another one now. Raises: the same as `ask`.

        offsets: the last known position of each partition; None where it is not read.
        """
        topics = {partition.topic for partition, offset in offsets.items() if offset is not None}
        ids = await topic_ids(consumer.client, topics) if topics else {}
        now, read = await self._thread.run(self._standing, list(offsets))
        return [
            partition
            for partition, offset in offsets.items()
            if (position := now.get(partition)) is None
            or offset != read.get(partition)
            or (offset is not None and position.topic_id not in {None, ids.get(partition.topic, position.topic_id)})
        ]

    async def close(self) -> None:
        """Let the session and the thread end; one that hangs is left to itself."""
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_WITHIN):
                await self._thread.run(self._session.close)
        self._thread.close()

    def _stored(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, GroupPosition]:
        with self._session.use() as connection, connection.cursor() as cur:
            return positions.standing(cur, self._group, partitions)

    def _place(self, before: Mapping[TopicPartition, GroupPosition], logs: list[PartitionLog]) -> Placement:
        with self._session.use() as connection, connection.transaction(), connection.cursor() as cur:
            placed = positions.place(cur, self._group, before, logs)
            if self._found:
                self._found(cur, placed.offsets.keys())
            return replace(placed, offsets=self._read_here(cur, placed.offsets))

    def _standing(
        self, partitions: list[TopicPartition]
    ) -> tuple[Mapping[TopicPartition, GroupPosition], Mapping[TopicPartition, int]]:
        """Return the positions, and the offsets that are to be read from."""
        with self._session.use() as connection, connection.cursor() as cur:
            now = positions.standing(cur, self._group, partitions)
            readable = {partition: position.next for partition, position in now.items() if not position.unread}
            return now, self._read_here(cur, readable)

    def _read_here(self, cur: Cursor[TupleRow], offsets: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, int]:
        """Leave out where the leader takes this group along, or will once it has come that far."""
        if self._leader is None:
            return offsets
        lead = positions.standing(cur, self._leader, offsets)
        return {
            partition: offset
            for partition, offset in offsets.items()
            if (at := lead.get(partition)) and (at.unread or offset < at.next)
        }

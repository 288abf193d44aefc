"""Show the position of every consumer, and reset one on purpose."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from aiokafka import TopicPartition
from psycopg import Connection
from psycopg.rows import TupleRow

from events.names import is_of_read_side
from rules.quantities import counted
from transport import positions
from transport.addresses import Addresses
from transport.clients.kafka import topic_reader
from transport.clients.postgres import connect
from transport.partition_logs import PartitionLog, partition_logs
from transport.positions import GroupPosition, StoredPosition, unread_because

Target = int | Literal["beginning", "end"]
"""The next offset to read."""


class ResetRefused(Exception):
    """The position cannot be reset; the message says why."""


@dataclass(frozen=True, slots=True)
class ConsumerPosition:
    """A consumer's position. log: the partition in Kafka, if it exists. gone: offsets deleted before they were read."""

    consumer: str
    partition: TopicPartition
    next: int
    unread: str | None
    unread_since: datetime | None
    gone: int
    log: PartitionLog | None

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "consumer": self.consumer,
            "topic": self.partition.topic,
            "partition": self.partition.partition,
            "next": self.next,
            "log_start": self.log and self.log.start,
            "log_end": self.log and self.log.end,
            "unread": self.unread,
            "unread_since": self.unread_since and self.unread_since.isoformat(),
            "gone": self.gone,
        }

    def columns(self) -> Sequence[str]:
        """Return the cells of `COLUMNS`."""
        start, end = (str(self.log.start), str(self.log.end)) if self.log else ("-", "-")
        place = (self.consumer, *map(str, self.partition), str(self.next))
        return (*place, start, end, str(self.gone), f"not read: {self.unread}" if self.unread else "")


COLUMNS = ("consumer", "topic", "partition", "next", "log start", "log end", "gone", "")


def all_positions(addresses: Addresses) -> list[ConsumerPosition]:
    """Return the position of every consumer. Raises: psycopg.Error, KafkaError."""
    rows = sorted(_stored(addresses))
    logs = _logs(addresses.kafka, {TopicPartition(topic, partition) for _, topic, partition, *_ in rows})
    return [
        ConsumerPosition(
            consumer, place := TopicPartition(topic, partition), next_, unread, since, gone, logs.get(place)
        )
        for consumer, topic, partition, next_, unread, since, gone in rows
    ]


@dataclass(frozen=True, slots=True)
class PlannedReset:
    """A reset that has been planned and not yet done. at: the position now. next: the position afterwards."""

    consumer: str
    at: GroupPosition
    log: PartitionLog
    next: int

    def describe(self) -> str:
        """Return a sentence that says what will be skipped or read again."""
        place = f"{self.consumer} in {self.log.partition.topic}[{self.log.partition.partition}]"
        return f"{place}: from {self.at.next} to {self.next}; {self._effect()}"

    def _effect(self) -> str:
        if unread_because(self.at, self.log) or self.at.unread:
            skipped, read = self.next - self.log.start, self.log.end - self.next
            return f"of the log, offsets {self.log.start} to {self.log.end}, it skips {skipped} and reads {read}"
        if self.next < self.at.next:
            return f"it reads {counted(self.at.next - self.next, 'offset', 'offsets')} again"
        return f"it skips {counted(self.next - self.at.next, 'offset', 'offsets')}"


def plan_reset(addresses: Addresses, consumer: str, partition: TopicPartition, to: Target) -> PlannedReset:
    """Find out what a reset would do. Raises: ResetRefused, psycopg.Error, KafkaError."""
    with connect(_database_of(consumer, addresses), "positions") as connection:
        at = _current(connection, consumer, partition)
    log = _logs(addresses.kafka, {partition}).get(partition)
    if log is None:
        msg = f"Kafka has no partition {partition.partition} of {partition.topic}"
        raise ResetRefused(msg)
    next_ = {"beginning": log.start, "end": log.end}.get(str(to), to)
    if not isinstance(next_, int) or not log.start <= next_ <= log.end:
        msg = f"offset {next_} is outside the log, which has {log.start} to {log.end}"
        raise ResetRefused(msg)
    return PlannedReset(consumer, at, log, next_)


def carry_out(addresses: Addresses, reset: PlannedReset) -> None:
    """Set the position. Raises: ResetRefused when the consumer has moved since it was planned, psycopg.Error."""
    database = _database_of(reset.consumer, addresses)
    with connect(database, "positions") as connection, connection.transaction(), connection.cursor() as cur:
        if not positions.reset(cur, reset.consumer, reset.at, reset.log, reset.next):
            msg = f"{reset.consumer} has moved in the meantime; check its position and try again"
            raise ResetRefused(msg)


def _stored(addresses: Addresses) -> Iterator[StoredPosition]:
    for database in dict.fromkeys((addresses.database, addresses.of_read_side().database)):
        with connect(database, "positions") as connection:
            found = positions.read_all(connection)
        yield from (one for one in found if _database_of(one.consumer, addresses) == database)


def _database_of(consumer: str, addresses: Addresses) -> str:
    return addresses.of_read_side().database if is_of_read_side(consumer) else addresses.database


def _current(connection: Connection[TupleRow], consumer: str, partition: TopicPartition) -> GroupPosition:
    with connection.cursor() as cur:
        at = positions.standing(cur, consumer, [partition]).get(partition)
    if at is None:
        msg = f"{consumer} has no position in {partition.topic}[{partition.partition}]; see `positions show`"
        raise ResetRefused(msg)
    return at


def _logs(kafka: str, partitions: set[TopicPartition]) -> dict[TopicPartition, PartitionLog]:
    async def ask() -> list[PartitionLog]:
        async with topic_reader(kafka, "positions") as consumer:
            return await partition_logs(consumer, sorted(partitions))

    return {log.partition: log for log in asyncio.run(ask())}

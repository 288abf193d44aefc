"""How far each consumer group is behind, in messages and in seconds.

Positions are in PostgreSQL, the ends in Kafka. Between the two may lie nothing but transaction markers, which are not
messages: so lag is measured by reading what lies there, up to a bound. That takes a while, so the positions are read
again after it: records that arrive or are processed during the measurement do not count as lag.

The end is the high watermark: what lies behind an open transaction, of whomever, cannot be read yet, and is waited for.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import NamedTuple

from aiokafka import TopicPartition
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from events.names import is_of_read_side
from transport.clients.kafka import topic_reader
from transport.clients.stepping_consumer import SteppingConsumer
from transport.positions import read_all_async
from transport.records import KafkaRecord, Undecodable
from web.http.reading import Readers
from web.http.time_limits import attempt

MOST = 5000
"""Records looked at; beyond them the lag in messages counts offsets, which may be a little more."""
LOOK_WITHIN = 1.5
"""Seconds for the look."""
_LAG_SECONDS = 4.0
"""Time limit for all of it."""


class Position(NamedTuple):
    """Where a consumer stands: the first offset that it has not done."""

    consumer: str
    partition: TopicPartition
    next: int


class PartitionLag(NamedTuple):
    """What a consumer has not done yet of a partition."""

    partition: TopicPartition
    messages: int
    seconds: float


class Lag(NamedTuple):
    """What a consumer has not done yet: how many messages, and how long ago the oldest of them was published."""

    consumer: str
    messages: int
    seconds: float
    partitions: Sequence[PartitionLag] = ()


async def positions_on_log(log: AsyncConnection[TupleRow]) -> list[Position]:
    """Return where the consumers stand whose positions are beside the log."""
    return await _positions(log, read_side=False)


async def positions_on_read_models(read_models: AsyncConnection[TupleRow]) -> list[Position]:
    """Return where the consumers stand whose positions are beside the read models."""
    return await _positions(read_models, read_side=True)


async def known_positions(readers: Readers) -> list[Position]:
    """Return where every consumer stands; those whose positions are beside a log that is away are left out."""
    on_log = await readers.log_if_there(positions_on_log) or []
    return [*on_log, *await readers.read_models.read(positions_on_read_models)]


async def _positions(connection: AsyncConnection[TupleRow], *, read_side: bool) -> list[Position]:
    return [
        Position(one.consumer, TopicPartition(one.topic, one.partition), one.next)
        for one in await read_all_async(connection)
        if is_of_read_side(one.consumer) == read_side
    ]


class _Found(NamedTuple):
    """A record between a position and the end. time: in milliseconds; 0 where it is not known."""

    offset: int
    time: int


class _Seen(NamedTuple):
    """Records found between a position and the end, and how far the search went."""

    found: list[_Found]
    reached: int
    end: int


async def lags(bootstrap: str, stand: Callable[[], Awaitable[Sequence[Position]]]) -> list[Lag]:
    """Return the lag of every consumer, asking twice where they stand. Raises: KafkaError, and what `stand` raises."""
    async with (
        topic_reader(bootstrap, "api") as committed,
        topic_reader(bootstrap, "api", isolation="read_uncommitted") as everything,
    ):
        seen = await _look(committed, everything, await stand())
    by_consumer: dict[str, list[Position]] = defaultdict(list)
    for position in await stand():
        if position.partition in seen:
            by_consumer[position.consumer].append(position)
    now = datetime.now(UTC)
    return [_lag(name, of_one, seen, now) for name, of_one in sorted(by_consumer.items())]


async def lags_if_known(readers: Readers, bootstrap: str) -> list[Lag] | None:
    """Return the lag of every consumer, or None while it cannot be known."""
    return await attempt("lag", _LAG_SECONDS, lags(bootstrap, lambda: known_positions(readers)))


async def _look(
    committed: SteppingConsumer, everything: SteppingConsumer, at: Iterable[Position]
) -> dict[TopicPartition, _Seen]:
    """Look at what lies between the earliest position on each partition and its end."""
    first: dict[TopicPartition, int] = {}
    for position in at:
        first[position.partition] = min(position.next, first.get(position.partition, position.next))
    if not first:
        return {}
    starts = await committed.beginning_offsets(list(first))
    stable = await committed.end_offsets(list(first))
    ends = await everything.end_offsets(list(first))
    seen = {one: _Seen([], max(offset, starts[one]), ends[one]) for one, offset in first.items()}
    await _read(committed, seen, {one: stable[one] for one in first if seen[one].reached < stable[one]})
    # Of what follows nobody knows yet whether it will be committed.
    await _read(everything, seen, {one: ends[one] for one in first if stable[one] <= seen[one].reached < ends[one]})
    return seen


async def _read(
    consumer: SteppingConsumer, seen: dict[TopicPartition, _Seen], targets: Mapping[TopicPartition, int]
) -> None:
    if not targets:
        return
    consumer.assign(list(targets))
    for partition in targets:
        consumer.seek(partition, seen[partition].reached)
    deadline = asyncio.get_running_loop().time() + LOOK_WITHIN
    left = MOST
    while left > 0 and asyncio.get_running_loop().time() < deadline:
        for partition, records in (await consumer.getmany(timeout_ms=50, max_records=left)).items():
            seen[partition].found.extend(chain.from_iterable(_found(record) for record in records))
            left -= len(records)
        for partition in targets:
            seen[partition] = seen[partition]._replace(reached=await consumer.position(partition))
        if all(seen[partition].reached >= target for partition, target in targets.items()):
            return


def _found(record: KafkaRecord) -> list[_Found]:
    if isinstance(record, Undecodable):
        return [_Found(record.offset + place, 0) for place in range(record.count)]
    return [_Found(record.offset, record.timestamp)]


def _lag(consumer: str, at: Iterable[Position], seen: Mapping[TopicPartition, _Seen], now: datetime) -> Lag:
    partitions = [_partition_lag(position, seen[position.partition], now) for position in at]
    messages, seconds = sum(one.messages for one in partitions), max(one.seconds for one in partitions)
    return Lag(consumer, messages, seconds, partitions)


def _partition_lag(position: Position, there: _Seen, now: datetime) -> PartitionLag:
    undone = [time for offset, time in there.found if position.next <= offset < there.end]
    messages = len(undone) + max(0, there.end - max(there.reached, position.next))
    oldest = min([now.timestamp(), *(time / 1000 for time in undone if time)])
    return PartitionLag(position.partition, messages, now.timestamp() - oldest)

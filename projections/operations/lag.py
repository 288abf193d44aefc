"""How far each consumer group is behind, in messages and in seconds.

Positions are in PostgreSQL, the ends in Kafka. Between the two may lie nothing but transaction markers, which are no
messages: so what lies there is looked at, up to a bound. The look takes a while, so the positions are read again after
it: what came during the look is not counted, and what was done during it is no lag.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

MOST = 5000
"""Records looked at; beyond them the lag in messages counts offsets, which may be a little more."""
LOOK_WITHIN = 1.5
"""Seconds for the look."""
_POSITIONS = "select consumer, topic, partition, next from redletter.positions where consumer not like '%.rebuild'"


class Position(NamedTuple):
    """Where a consumer stands: the first offset that it has not done."""

    consumer: str
    partition: TopicPartition
    next: int


class Lag(NamedTuple):
    """What a consumer has not done yet: how many messages, and how long ago the oldest of them was published."""

    consumer: str
    messages: int
    seconds: float


async def positions(connection: AsyncConnection[TupleRow]) -> list[Position]:
    """Return where every consumer stands."""
    rows = await (await connection.execute(_POSITIONS)).fetchall()
    return [Position(consumer, TopicPartition(topic, partition), next_) for consumer, topic, partition, next_ in rows]


class _Seen(NamedTuple):
    """Records found between a position and the end: offsets with their times, and how far was looked."""

    found: list[tuple[int, int]]
    reached: int
    end: int


async def lags(bootstrap: str, stand: Callable[[], Awaitable[Sequence[Position]]]) -> list[Lag]:
    """Return the lag of every consumer, asking twice where they stand. Raises: KafkaError, and what `stand` raises."""
    servers: Any = bootstrap.split(",")
    consumer = AIOKafkaConsumer(
        bootstrap_servers=servers,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    await consumer.start()
    try:
        seen = await _look(consumer, await stand())
    finally:
        await asyncio.sleep(0)  # stopped right after its start, the client lets a CancelledError out
        await consumer.stop()
    by_consumer: dict[str, list[Position]] = defaultdict(list)
    for position in await stand():
        if position.partition in seen:
            by_consumer[position.consumer].append(position)
    now = datetime.now(UTC)
    return [_lag(name, of_one, seen, now) for name, of_one in sorted(by_consumer.items())]


async def _look(consumer: AIOKafkaConsumer, at: Iterable[Position]) -> dict[TopicPartition, _Seen]:
    """Look at what lies between the earliest position on each partition and its end."""
    first: dict[TopicPartition, int] = {}
    for position in at:
        first[position.partition] = min(position.next, first.get(position.partition, position.next))
    if not first:
        return {}
    starts = await consumer.beginning_offsets(list(first))
    ends = await consumer.end_offsets(list(first))
    seen = {one: _Seen([], max(offset, starts[one]), ends[one]) for one, offset in first.items()}
    behind = [one for one in first if seen[one].reached < ends[one]]
    if behind:
        consumer.assign(behind)
        for one in behind:
            consumer.seek(one, seen[one].reached)
        await _read(consumer, seen, behind)
    return seen


async def _read(
    consumer: AIOKafkaConsumer, seen: dict[TopicPartition, _Seen], behind: Sequence[TopicPartition]
) -> None:
    end = asyncio.get_running_loop().time() + LOOK_WITHIN
    left = MOST
    while left > 0 and asyncio.get_running_loop().time() < end:
        for partition, records in (await consumer.getmany(timeout_ms=50, max_records=left)).items():
            seen[partition].found.extend((record.offset, record.timestamp) for record in records)
            left -= len(records)
        for partition in behind:
            seen[partition] = seen[partition]._replace(reached=await consumer.position(partition))
        if all(seen[partition].reached >= seen[partition].end for partition in behind):
            return


def _lag(consumer: str, at: Iterable[Position], seen: Mapping[TopicPartition, _Seen], now: datetime) -> Lag:
    messages, oldest = 0, now.timestamp()
    for position in at:
        there = seen[position.partition]
        undone = [time for offset, time in there.found if offset >= position.next]
        messages += len(undone) + max(0, there.end - max(there.reached, position.next))
        oldest = min([oldest, *(time / 1000 for time in undone[:1])])
    return Lag(consumer, messages, max(0.0, now.timestamp() - oldest))

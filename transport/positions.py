"""The position of each consumer group, moved in PostgreSQL in the transaction of the work itself.

All SQL of the table is here. A move is compare-and-set from the position that the worker read from. Offsets have gaps
(transaction markers), so the first record's offset would not do; and `old < new` would let a stale worker's overlapping
batch pass.

A position is only good for the log that it was taken from. Where the topic was deleted and created again, or its log
ends before the position, the partition is not read until an operator resets the position.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import LiteralString, NamedTuple
from uuid import UUID

import structlog
from aiokafka import TopicPartition
from psycopg import AsyncConnection, Connection, Cursor
from psycopg.rows import TupleRow

from transport.partition_logs import PartitionLog

log = structlog.get_logger(__name__)


class PositionLost(Exception):
    """Another worker moved one of these positions: it owns the partition now, and this batch is dropped."""


class Move(NamedTuple):
    """One partition's step: ``was`` is the offset that was read from, ``next`` the first one not processed yet."""

    topic: str
    partition: int
    was: int
    next: int


@dataclass(frozen=True, slots=True)
class GroupPosition:
    """A consumer's position in a partition.

    next: the first offset that is not processed yet. topic_id: the log that it counts in, where known. unread: why the
    partition is not read.
    """

    next: int
    topic_id: UUID | None
    unread: str | None


class StoredPosition(NamedTuple):
    """A row of the table. gone: offsets that were deleted before the consumer read them."""

    consumer: str
    topic: str
    partition: int
    next: int
    unread: str | None
    unread_since: datetime | None
    gone: int


@dataclass(frozen=True, slots=True)
class Placement:
    """The offset to resume each partition from, and why some partitions are not read."""

    offsets: Mapping[TopicPartition, int] = field(default_factory=dict[TopicPartition, int])
    unread: Mapping[TopicPartition, str] = field(default_factory=dict[TopicPartition, str])


CREATE_POSITIONS: LiteralString = """
    create schema if not exists redletter;
    create table if not exists redletter.positions (
        consumer text not null,
        topic text not null,
        partition int not null,
        next bigint not null,
        topic_id uuid,
        unread text,
        unread_since timestamptz,
        gone bigint not null default 0,
        primary key (consumer, topic, partition)
    ) with (fillfactor = 50)
"""
"""For a database without the log; beside the log, the migrations of `service.store` have created the same."""
_REBUILD_SUFFIX = ".rebuild"
_ALL = """
    select consumer, topic, partition, next, unread, unread_since, gone from redletter.positions
    where right(consumer, length(%(rebuild)s)) <> %(rebuild)s order by consumer, topic, partition
"""
_OF_TOPIC = "select partition, next from redletter.positions where consumer = %s and topic = %s"
_OF_TOPIC_LOCKED = f"{_OF_TOPIC} order by partition for update"
_BEGIN_AT_FARTHEST = """
    insert into redletter.positions (consumer, topic, partition, next)
    select %s, topic, partition, max(next) from redletter.positions where consumer = any(%s) and topic = %s
    group by topic, partition on conflict (consumer, topic, partition) do nothing
"""
_FORGET = "delete from redletter.positions where consumer = %s"
_STORED: LiteralString = """
    select topic, partition, next, topic_id, unread
    from redletter.positions
    join unnest(%(topics)s::text[], %(partitions)s::int[]) as asked (topic, partition) using (topic, partition)
    where consumer = %(consumer)s
"""
_LOCKED: LiteralString = _STORED + " order by topic, partition for update of positions"
_BEGIN: LiteralString = """
    insert into redletter.positions (consumer, topic, partition, next) values (%s, %s, %s, %s)
    on conflict (consumer, topic, partition) do nothing
"""
_OF_LOG: LiteralString = """
    update redletter.positions set topic_id = %s, next = %s, gone = gone + %s
    where consumer = %s and topic = %s and partition = %s
"""
_UNREAD: LiteralString = """
    update redletter.positions set unread = %s, unread_since = now()
    where consumer = %s and topic = %s and partition = %s
"""
_RESET: LiteralString = """
    update redletter.positions set next = %s, topic_id = %s, unread = null, unread_since = null
    where consumer = %s and topic = %s and partition = %s and next = %s
    returning 1
"""
_ADVANCE = """
    update redletter.positions as p set next = m.next
    from unnest(%(consumers)s::text[], %(topics)s::text[], %(partitions)s::int[], %(was)s::bigint[], %(next)s::bigint[])
        as m (consumer, topic, partition, was, next)
    where p.consumer = m.consumer and p.topic = m.topic and p.partition = m.partition and p.next = m.was
        and p.unread is null
    returning 1
"""
# A follower's row that is locked is left out: whoever holds it moves that follower, or keeps it where it is. So nobody
# waits here but for the leader's rows, and whatever is waited for holds no row of a follower that is locked here.
_TOGETHER: LiteralString = """
    with asked as (select * from unnest(%(topics)s::text[], %(partitions)s::int[]) as a (topic, partition)),
    leader as materialized (
        select p.consumer, p.topic, p.partition, p.next, p.topic_id, p.unread
        from redletter.positions as p join asked using (topic, partition)
        where p.consumer = %(leader)s order by p.topic, p.partition for update of p
    ),
    followers as materialized (
        select p.consumer, p.topic, p.partition, p.next, p.topic_id, p.unread
        from redletter.positions as p join asked using (topic, partition)
        where p.consumer = any(%(followers)s) order by p.consumer, p.topic, p.partition for update of p skip locked
    )
    select * from leader union all select * from followers
"""


def stored(cur: Cursor[TupleRow], consumer: str, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
    """Return the consumer's offset in each partition; a partition that was never read before has offset 0."""
    asked = sorted(partitions)
    _begin(cur, consumer, dict.fromkeys(asked, 0))
    return {partition: position.next for partition, position in standing(cur, consumer, asked).items()}


def standing(
    cur: Cursor[TupleRow], consumer: str, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, GroupPosition]:
    """Return the consumer's position in each partition that it has one for."""
    return _select(cur, _STORED, consumer, partitions)


def place(
    cur: Cursor[TupleRow],
    consumer: str,
    before: Mapping[TopicPartition, GroupPosition],
    logs: Collection[PartitionLog],
) -> Placement:
    """Compare the positions with the logs as they are, in the caller's transaction; return where to resume.

    before: the positions as they stood before the logs were looked at. Whoever has moved one since then has read a log
    that goes so far, and whoever has reset one has seen a newer log: a position that is good for the log in either
    state is read. One that has been reset to a log newer than this is left out.

    A partition never read before begins at the beginning of its log. Of a log that begins after the position, the
    offsets that are gone are counted; some may be markers of transactions, which are not records. A position
    that is not of this log is left as it is, and the partition marked as not read.
    """
    _begin(cur, consumer, {one.partition: one.start for one in logs})
    positions = _select(cur, _LOCKED, consumer, [one.partition for one in logs])
    offsets: dict[TopicPartition, int] = {}
    unread: dict[TopicPartition, str] = {}
    for one in logs:
        position = positions[one.partition]
        stood = before.get(one.partition, position)
        if position.topic_id not in {stood.topic_id, one.topic_id}:
            continue
        if reason := position.unread or (unread_because(stood, one) and unread_because(position, one)):
            unread[one.partition] = reason
            if not position.unread:
                cur.execute(_UNREAD, (reason, consumer, *one.partition))
            log.error(
                "partition_not_read",
                consumer=consumer,
                topic=one.partition.topic,
                partition=one.partition.partition,
                reason=reason,
                see="redletter positions",
            )
        else:
            offsets[one.partition] = _resume_at(cur, consumer, position, one)
    return Placement(offsets, unread)


def unread_because(position: GroupPosition, now: PartitionLog) -> str | None:
    """Return why a position is not good for the log as it is now, or None where it is."""
    if position.next and position.topic_id not in {None, now.topic_id}:
        return f"the topic was deleted and recreated; position {position.next} counts in the one before"
    if position.next > now.end:
        return f"position {position.next} lies beyond the end of the log, {now.end}"
    return None


def _resume_at(cur: Cursor[TupleRow], consumer: str, position: GroupPosition, now: PartitionLog) -> int:
    next_ = max(position.next, now.start)
    if gone := next_ - position.next:
        log.error(
            "offsets_deleted_before_read",
            consumer=consumer,
            topic=now.partition.topic,
            partition=now.partition.partition,
            first=position.next,
            last=next_ - 1,
            offsets=gone,
        )
    if gone or position.topic_id != now.topic_id:
        cur.execute(_OF_LOG, (now.topic_id, next_, gone, consumer, *now.partition))
    return next_


def reset(cur: Cursor[TupleRow], consumer: str, at: GroupPosition, now: PartitionLog, next_: int) -> bool:
    """Reset a position, also where the partition is not read; return False when it is no longer ``at``."""
    cur.execute(_RESET, (next_, now.topic_id, consumer, *now.partition, at.next))
    return cur.fetchone() is not None


def ask_together(
    cur: Cursor[TupleRow], leader: str, followers: Sequence[str], partitions: Collection[TopicPartition]
) -> None:
    """Lock the positions of several consumers until the transaction ends; `together` returns them.

    The leader's are waited for. Those of followers that others have locked are left out.
    """
    asked = sorted(partitions)
    cur.execute(
        _TOGETHER,
        {
            "leader": leader,
            "followers": list(followers),
            "topics": [partition.topic for partition in asked],
            "partitions": [partition.partition for partition in asked],
        },
    )


def together(cur: Cursor[TupleRow]) -> Mapping[str, Mapping[TopicPartition, GroupPosition]]:
    """Return what `ask_together` has locked, by consumer. Raises: psycopg.errors.LockNotAvailable."""
    found: dict[str, dict[TopicPartition, GroupPosition]] = {}
    for consumer, topic, partition, next_, topic_id, unread in cur.fetchall():
        of_one = found.setdefault(consumer, {})
        of_one[TopicPartition(topic, partition)] = GroupPosition(next_, topic_id, unread)
    return found


def advance(cur: Cursor[TupleRow], consumer: str, moves: Sequence[Move]) -> None:
    """Move the positions in the caller's transaction.

    Raises: PositionLost when a position is not where its move starts, or its partition is not read; the caller rolls
    back.
    """
    advance_together(cur, {consumer: moves})


def advance_together(cur: Cursor[TupleRow], moves: Mapping[str, Sequence[Move]]) -> None:
    """Move the positions of several consumers. Raises: as `advance`."""
    ordered = sorted((consumer, *move) for consumer, of_one in moves.items() for move in of_one)
    names = ("consumers", "topics", "partitions", "was", "next")
    columns = zip(*ordered, strict=True) if ordered else ((),) * len(names)
    cur.execute(_ADVANCE, {name: list(column) for name, column in zip(names, columns, strict=True)})
    if len(cur.fetchall()) != len(ordered):
        raise PositionLost(", ".join(moves))


def rebuild_of(consumer: str) -> str:
    """Return the name under which the positions of a rebuild of a consumer's tables are kept."""
    return f"{consumer}{_REBUILD_SUFFIX}"


def read_all(connection: Connection[TupleRow]) -> list[StoredPosition]:
    """Return the positions of every consumer but those of rebuilds, in order."""
    return [StoredPosition(*row) for row in connection.execute(_ALL, {"rebuild": _REBUILD_SUFFIX}).fetchall()]


async def read_all_async(connection: AsyncConnection[TupleRow]) -> list[StoredPosition]:
    """Return what `read_all` returns."""
    return [
        StoredPosition(*row) for row in await (await connection.execute(_ALL, {"rebuild": _REBUILD_SUFFIX})).fetchall()
    ]


def of_topic(cur: Cursor[TupleRow], consumer: str, topic: str, *, lock: bool = False) -> dict[TopicPartition, int]:
    """Return a consumer's positions in a topic. With ``lock`` nobody can move them until this transaction ends."""
    cur.execute(_OF_TOPIC_LOCKED if lock else _OF_TOPIC, (consumer, topic))
    return {TopicPartition(topic, partition): next_ for partition, next_ in cur.fetchall()}


def begin_at_farthest(cur: Cursor[TupleRow], leader: str, followers: Sequence[str], topic: str) -> None:
    """Let a consumer that has no position yet begin at the farthest position of others, partition by partition."""
    cur.execute(_BEGIN_AT_FARTHEST, (leader, list(followers), topic))


def forget(cur: Cursor[TupleRow], consumer: str) -> None:
    """Delete the positions of a consumer."""
    cur.execute(_FORGET, (consumer,))


def _begin(cur: Cursor[TupleRow], consumer: str, starts: Mapping[TopicPartition, int]) -> None:
    cur.executemany(_BEGIN, [(consumer, *partition, start) for partition, start in sorted(starts.items())])


def _select(
    cur: Cursor[TupleRow], query: LiteralString, consumer: str, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, GroupPosition]:
    asked = list(partitions)
    cur.execute(
        query,
        {
            "consumer": consumer,
            "topics": [partition.topic for partition in asked],
            "partitions": [partition.partition for partition in asked],
        },
    )
    return {
        TopicPartition(topic, partition): GroupPosition(next_, topic_id, unread)
        for topic, partition, next_, topic_id, unread in cur.fetchall()
    }

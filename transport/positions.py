"""Where each consumer group stands, kept in PostgreSQL in the transaction of the work itself.

A move is compare-and-set from the position that the worker read from. Offsets have gaps (transaction markers), so the
first record's offset would not do; and `old < new` would let a stale worker's overlapping batch pass.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aiokafka import TopicPartition
from psycopg import Cursor
from psycopg.rows import TupleRow


class PositionLost(Exception):
    """Another worker moved one of these positions: it owns the partition now, and this batch is not ours."""


@dataclass(frozen=True, slots=True)
class Move:
    """One partition's step: ``was`` is the offset that was read from, ``next`` the first one not yet done."""

    topic: str
    partition: int
    was: int
    next: int


_STORED = """
    insert into redletter.positions (consumer, topic, partition, next)
    select %(consumer)s, topic, partition, 0
    from unnest(%(topics)s::text[], %(partitions)s::int[]) as asked (topic, partition)
    on conflict (consumer, topic, partition) do update set next = positions.next
    returning topic, partition, next
"""
_ADVANCE = """
    update redletter.positions as p set next = m.next
    from unnest(%(topics)s::text[], %(partitions)s::int[], %(was)s::bigint[], %(next)s::bigint[])
        as m (topic, partition, was, next)
    where p.consumer = %(consumer)s and p.topic = m.topic and p.partition = m.partition and p.next = m.was
    returning 1
"""


def stored(cur: Cursor[TupleRow], consumer: str, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
    """Return where ``consumer`` stands on each partition; a partition never read before stands at offset 0."""
    asked = sorted(partitions)
    cur.execute(
        _STORED,
        {
            "consumer": consumer,
            "topics": [partition.topic for partition in asked],
            "partitions": [partition.partition for partition in asked],
        },
    )
    return {TopicPartition(topic, partition): offset for topic, partition, offset in cur.fetchall()}


def advance(cur: Cursor[TupleRow], consumer: str, moves: Sequence[Move]) -> None:
    """Move on in the caller's transaction.

    Raises: PositionLost when any position is not where the move starts from; the caller rolls back.
    """
    ordered = sorted(moves, key=lambda move: (move.topic, move.partition))
    cur.execute(
        _ADVANCE,
        {
            "consumer": consumer,
            "topics": [move.topic for move in ordered],
            "partitions": [move.partition for move in ordered],
            "was": [move.was for move in ordered],
            "next": [move.next for move in ordered],
        },
    )
    if len(cur.fetchall()) != len(moves):
        raise PositionLost(consumer)

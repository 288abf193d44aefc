"""The tables of the log: events, replies and dead letters, each at its place in a partition.

An entry lies in the partition that its key goes to in Kafka, so all entries of a command lie side by side in one. The
row of a partition hands out its places; its lock is held until the commit, so places become visible in their order.
Each kind is written with one statement.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, LiteralString

from eventsourcing.persistence import StoredEvent
from psycopg import Cursor
from psycopg.rows import TupleRow

from service.log.entries import DeadLetterEntry, EventEntry, LogEntry, ReplyEntry
from transport.partitioning import partition_of


def append(cur: Cursor[TupleRow], entries: Sequence[LogEntry], partitions: int) -> None:
    """Give each entry its place in the log, and write each kind with one statement.

    partitions: of the log. Raises: LookupError when the log has not as many.
    """
    if not entries:
        return
    chosen = [_partition(entry, partitions) for entry in entries]
    places = _draw(cur, Counter(chosen))
    by_kind: dict[type, list[Placed]] = defaultdict(list)
    for partition, entry in zip(chosen, entries, strict=True):
        places[partition] += 1
        by_kind[type(entry)].append((partition, places[partition], entry))
    if events := by_kind.get(EventEntry):
        cur.execute(_EVENTS, _event_columns(events))
    if replies := by_kind.get(ReplyEntry):
        cur.execute(_REPLIES, _reply_columns(replies))
    if dead := by_kind.get(DeadLetterEntry):
        cur.executemany(_DEAD_LETTERS, [_dead_letter_columns(*placed) for placed in dead])
    cur.execute(_NOTIFY, (",".join(map(str, places)),))


def stored_events(entries: Iterable[LogEntry]) -> list[StoredEvent]:
    """Return the events among the entries as the event store library knows them."""
    return [
        StoredEvent(entry.invoice_number, entry.version, entry.name, entry.body)
        for entry in entries
        if isinstance(entry, EventEntry)
    ]


Placed = tuple[int, int, Any]
"""Partition, place and entry."""


def _partition(entry: LogEntry, partitions: int) -> int:
    match entry:
        case EventEntry(invoice_number=number):
            # A command whose key is not the invoice number is not readable, so its events go where its record goes.
            return partition_of(number.encode(), 0, partitions)
        case ReplyEntry(record_key=key, came_by=came_by) | DeadLetterEntry(record_key=key, partition=came_by):
            return partition_of(key, came_by, partitions)


def _draw(cur: Cursor[TupleRow], wanted: Counter[int]) -> dict[int, int]:
    """Draw so many places of each partition, and return the place before the first of them.

    The rows are locked in ascending order, so that writers wait for each other in one direction only.
    """
    partitions = sorted(wanted)
    cur.execute(_LOCK, (partitions,))
    cur.execute(_DRAW, (partitions, [wanted[partition] for partition in partitions]))
    last: dict[int, int] = dict(cur.fetchall())
    if len(last) != len(partitions):
        msg = f"the log has no partitions {sorted(wanted.keys() - last)}: was it migrated while this process ran?"
        raise LookupError(msg)
    return {partition: last[partition] - wanted[partition] for partition in partitions}


CHANNEL = "redletter_log"
"""The relays listen to it; they are told the numbers of the partitions that have grown."""
_NOTIFY: LiteralString = "select pg_notify('redletter_log', %b)"
_LOCK: LiteralString = """
    select from redletter.log_partitions where partition = any(%b::int[]) order by partition for no key update
"""
_DRAW: LiteralString = """
    update redletter.log_partitions as l set last_place = l.last_place + w.entries
    from unnest(%b::int[], %b::bigint[]) as w (partition, entries) where l.partition = w.partition
    returning l.partition, l.last_place
"""
_EVENTS: LiteralString = """
    insert into redletter.invoice_events (partition, place, originator_id, originator_version, topic, state,
        occurred_at, causation_id, correlation_id, traceparent)
    select * from unnest(%b::int[], %b::bigint[], %b::text[], %b::bigint[], %b::text[], %b::bytea[], %b::timestamptz[],
        %b::text[], %b::text[], %b::text[])
"""
_REPLIES: LiteralString = """
    insert into redletter.replies (partition, place, command_key, digest, id, name, record_key, subject, value, sent_at,
        causation_id, correlation_id, traceparent)
    select * from unnest(%b::int[], %b::bigint[], %b::uuid[], %b::bytea[], %b::text[], %b::text[], %b::bytea[],
        %b::text[], %b::bytea[], %b::timestamptz[], %b::text[], %b::text[], %b::text[])
"""
_DEAD_LETTERS: LiteralString = """
    insert into redletter.dead_letters (partition, place, answered, topic, record_partition, record_offset, reason,
        error, buried_at, record_key, value, header_names, header_values)
    values (%b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b)
"""


def _event_columns(rows: Sequence[Placed]) -> list[list[Any]]:
    return _columns(
        (
            partition,
            place,
            row.invoice_number,
            row.version,
            row.name,
            row.body,
            row.occurred_at,
            row.causation,
            row.correlation,
            row.traceparent,
        )
        for partition, place, row in rows
    )


def _reply_columns(rows: Sequence[Placed]) -> list[list[Any]]:
    return _columns(
        (
            partition,
            place,
            row.command_key,
            row.digest,
            row.id,
            row.name,
            row.record_key,
            row.subject,
            row.value,
            row.sent_at,
            row.causation,
            row.correlation,
            row.traceparent,
        )
        for partition, place, row in rows
    )


def _dead_letter_columns(partition: int, place: int, row: DeadLetterEntry) -> tuple[Any, ...]:
    return (
        partition,
        place,
        row.answered,
        row.topic,
        row.partition,
        row.offset,
        row.reason,
        row.error,
        row.buried_at,
        row.record_key,
        row.value,
        [name for name, _ in row.headers],
        [value for _, value in row.headers],
    )


def _columns(rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]

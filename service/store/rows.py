"""The tables of the log: events, replies and dead letters, each at its place in a partition.

An entry lies in the partition that its key goes to in Kafka, so all entries of a command lie side by side in one. The
row of a partition hands out its places; its lock is held until the commit, so places become visible in their order.
Each kind is written with one statement.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from eventsourcing.persistence import StoredEvent
from psycopg import Cursor
from psycopg.rows import TupleRow

from transport.partitioning import partition_of


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event on its way into the log."""

    stored: StoredEvent
    occurred_at: datetime
    causation: str
    correlation: str
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class ReplyRow:
    """One reply on its way into the log. command_key and digest are set where it is the final answer to its id.

    came_by: the partition of the record that it answers.
    """

    command_key: UUID | None
    digest: bytes | None
    id: str
    name: str
    record_key: bytes | None
    subject: str | None
    value: bytes
    sent_at: datetime
    causation: str
    correlation: str
    traceparent: str | None
    came_by: int


@dataclass(frozen=True, slots=True)
class DeadLetterRow:
    """One record that was no command, byte for byte. answered: a reply of its own follows it in the log."""

    answered: bool
    topic: str
    partition: int
    offset: int
    reason: str
    error: str
    buried_at: datetime
    record_key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[bytes, bytes | None]]


Entry = EventRow | ReplyRow | DeadLetterRow


def event_id(invoice_number: str, version: int) -> str:
    """Return the id of an event, which its invoice and version already make unique."""
    return f"{invoice_number}-{version}"


def append(cur: Cursor[TupleRow], entries: Sequence[Entry], partitions: int) -> None:
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
    if events := by_kind.get(EventRow):
        cur.execute(_EVENTS, _event_columns(events))
    if replies := by_kind.get(ReplyRow):
        cur.execute(_REPLIES, _reply_columns(replies))
    if dead := by_kind.get(DeadLetterRow):
        cur.executemany(_DEAD_LETTERS, [_dead_letter_columns(*placed) for placed in dead])
    cur.execute(_NOTIFY, (",".join(map(str, places)),))


Placed = tuple[int, int, Any]
"""Partition, place and entry."""


def _partition(entry: Entry, partitions: int) -> int:
    match entry:
        case EventRow(stored=stored):
            # A command whose key is not the invoice number is not readable, so its events go where its record goes.
            return partition_of(str(stored.originator_id).encode(), 0, partitions)
        case ReplyRow(record_key=key, came_by=came_by) | DeadLetterRow(record_key=key, partition=came_by):
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
            row.stored.originator_id,
            row.stored.originator_version,
            row.stored.topic,
            row.stored.state,
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


def _dead_letter_columns(partition: int, place: int, row: DeadLetterRow) -> tuple[Any, ...]:
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

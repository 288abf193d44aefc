"""The tables of the log: events, replies and dead letters, each at its position.

They draw positions from one sequence under the lock of the event table; a command's events and its reply lie side by
side. Each kind is written with one statement.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from eventsourcing.persistence import StoredEvent
from psycopg import Cursor
from psycopg.rows import TupleRow


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
    """One reply on its way into the log. command_key and digest are set where it is the final answer to its id."""

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


def append(cur: Cursor[TupleRow], entries: Sequence[Entry]) -> None:
    """Give each entry its place in the log, and write each kind with one statement."""
    if not entries:
        return
    # The block of positions is drawn first, so that a command's events and its reply lie side by side.
    cur.execute(_DRAW, (len(entries),))
    by_kind: dict[type, list[tuple[int, Any]]] = defaultdict(list)
    for place, entry in enumerate(entries, start=1 - len(entries)):
        by_kind[type(entry)].append((place, entry))
    if events := by_kind.get(EventRow):
        cur.execute(_EVENTS, _event_columns(events))
    if replies := by_kind.get(ReplyRow):
        cur.execute(_REPLIES, _reply_columns(replies))
    if dead := by_kind.get(DeadLetterRow):
        cur.executemany(_DEAD_LETTERS, [_dead_letter_columns(place, row) for place, row in dead])
    cur.execute(_NOTIFY)


_NOTIFY: LiteralString = "notify redletter_log"  # the relay listens
_DRAW: LiteralString = "select setval('redletter.log_position', nextval('redletter.log_position') + %s - 1)"
_EVENTS: LiteralString = """
    insert into redletter.invoice_events (notification_id, originator_id, originator_version, topic, state,
        occurred_at, causation_id, correlation_id, traceparent)
    select currval('redletter.log_position') + place, number, version, name, state, at, causation, correlation, trace
    from unnest(%b::bigint[], %b::text[], %b::bigint[], %b::text[], %b::bytea[], %b::timestamptz[], %b::text[],
        %b::text[], %b::text[]) as e (place, number, version, name, state, at, causation, correlation, trace)
"""
_REPLIES: LiteralString = """
    insert into redletter.replies (position, command_key, digest, id, name, record_key, subject, value, sent_at,
        causation_id, correlation_id, traceparent)
    select currval('redletter.log_position') + place, command_key, digest, id, name, record_key, subject, value,
        sent_at, causation, correlation, trace
    from unnest(%b::bigint[], %b::uuid[], %b::bytea[], %b::text[], %b::text[], %b::bytea[], %b::text[], %b::bytea[],
        %b::timestamptz[], %b::text[], %b::text[], %b::text[])
        as r (place, command_key, digest, id, name, record_key, subject, value, sent_at, causation, correlation, trace)
"""
_DEAD_LETTERS: LiteralString = """
    insert into redletter.dead_letters (position, answered, topic, partition, record_offset, reason, error, buried_at,
        record_key, value, header_names, header_values)
    values (currval('redletter.log_position') + %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b)
"""


def _event_columns(rows: Sequence[tuple[int, EventRow]]) -> list[list[Any]]:
    return _columns(
        (
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
        for place, row in rows
    )


def _reply_columns(rows: Sequence[tuple[int, ReplyRow]]) -> list[list[Any]]:
    return _columns(
        (
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
        for place, row in rows
    )


def _dead_letter_columns(place: int, row: DeadLetterRow) -> tuple[Any, ...]:
    return (
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

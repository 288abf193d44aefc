"""The tables of the log: events, replies, dead letters and notices. No other module names their columns.

Each kind is written with one statement. A relay reads all of them as one sequence of `LogRow`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Generic, LiteralString, NamedTuple, TypeVar, cast

from psycopg import Cursor
from psycopg.rows import TupleRow

from service.log.entries import DeadLetterEntry, EventEntry, LogEntry, NoticeEntry, ReplyEntry
from transport.arrays import BinaryArray, ColumnType, binary_array

Entry = TypeVar("Entry", bound=LogEntry)
Columns = Mapping[LiteralString, ColumnType]
"""The type of each column."""

_PLACE: Columns = {"partition": "int", "place": "bigint"}
EVENT_COLUMNS: Columns = {
    "originator_id": "text",
    "originator_version": "bigint",
    "topic": "text",
    "state": "bytea",
    "occurred_at": "timestamptz",
    "causation_id": "text",
    "correlation_id": "text",
    "traceparent": "text",
}
"""In the order of the fields of `EventEntry`, and of its trace."""
REPLY_COLUMNS: Columns = {
    "command_key": "uuid",
    "digest": "bytea",
    "id": "text",
    "name": "text",
    "record_key": "bytea",
    "subject": "text",
    "value": "bytea",
    "sent_at": "timestamptz",
    "causation_id": "text",
    "correlation_id": "text",
    "traceparent": "text",
}
"""In the order of the fields of `ReplyEntry`, and of its trace; the partition that the record came by is not stored."""
_DEAD_LETTER_COLUMNS: Mapping[LiteralString, LiteralString] = {
    "answered": "bool",
    "topic": "text",
    "record_partition": "int",
    "record_offset": "bigint",
    "reason": "text",
    "error": "text",
    "buried_at": "timestamptz",
    "record_key": "bytea",
    "value": "bytea",
    "header_names": "bytea[]",
    "header_values": "bytea[]",
}
_NOTICE_COLUMNS: Columns = {
    "answered": "bool",
    "id": "text",
    "name": "text",
    "invoice_number": "text",
    "value": "bytea",
    "sent_at": "timestamptz",
    "causation_id": "text",
    "correlation_id": "text",
    "traceparent": "text",
}
"""In the order of the fields of `NoticeEntry`, and of its trace."""


class Placed(NamedTuple, Generic[Entry]):
    """An entry and its place in the log."""

    partition: int
    place: int
    entry: Entry


def insert_events(cur: Cursor[TupleRow], placed: Sequence[Placed[EventEntry]]) -> None:
    """Write events at their places."""
    cur.execute(_INSERT_EVENTS, _arrays(EVENT_COLUMNS, map(_event_row, placed)))


def insert_replies(cur: Cursor[TupleRow], placed: Sequence[Placed[ReplyEntry]]) -> None:
    """Write replies at their places."""
    cur.execute(_INSERT_REPLIES, _arrays(REPLY_COLUMNS, map(_reply_row, placed)))


def insert_dead_letters(cur: Cursor[TupleRow], placed: Sequence[Placed[DeadLetterEntry]]) -> None:
    """Write dead letters at their places."""
    cur.executemany(_INSERT_DEAD_LETTERS, list(map(_dead_letter_row, placed)))


def insert_notices(cur: Cursor[TupleRow], placed: Sequence[Placed[NoticeEntry]]) -> None:
    """Write notices at their places."""
    cur.execute(_INSERT_NOTICES, _arrays(_NOTICE_COLUMNS, map(_notice_row, placed)))


def _event_row(placed: Placed[EventEntry]) -> tuple[Any, ...]:
    partition, place, (*fields, trace) = placed
    return (partition, place, *fields, *trace)


def _reply_row(placed: Placed[ReplyEntry]) -> tuple[Any, ...]:
    partition, place, (*fields, trace, _came_by) = placed
    return (partition, place, *fields, *trace)


def _dead_letter_row(placed: Placed[DeadLetterEntry]) -> tuple[Any, ...]:
    partition, place, entry = placed
    return (
        partition,
        place,
        entry.answered,
        entry.topic,
        entry.partition,
        entry.offset,
        entry.reason,
        entry.error,
        entry.buried_at,
        entry.record_key,
        entry.value,
        [name for name, _ in entry.headers],
        [value for _, value in entry.headers],
    )


def _notice_row(placed: Placed[NoticeEntry]) -> tuple[Any, ...]:
    partition, place, (*fields, trace) = placed
    return (partition, place, *fields, *trace)


def _arrays(columns: Columns, rows: Iterable[Sequence[Any]]) -> list[BinaryArray]:
    """Return one array for each column."""
    types = (*_PLACE.values(), *columns.values())
    return [binary_array(type_, values) for type_, values in zip(types, zip(*rows, strict=True), strict=True)]


def _insert_arrays(table: LiteralString, columns: Columns) -> LiteralString:
    arrays = ", ".join("%b::" + type_ + "[]" for type_ in (*_PLACE.values(), *columns.values()))
    return f"insert into redletter.{table} ({_names(columns)}) select * from unnest({arrays})"  # noqa: S608 - literals alone


def _insert_row(table: LiteralString, columns: Iterable[LiteralString]) -> LiteralString:
    values = ", ".join("%b" for _ in (*_PLACE, *columns))
    return f"insert into redletter.{table} ({_names(columns)}) values ({values})"  # noqa: S608 - the same


def _names(columns: Iterable[LiteralString]) -> LiteralString:
    return ", ".join([*_PLACE, *columns])


_INSERT_EVENTS = _insert_arrays("invoice_events", EVENT_COLUMNS)
_INSERT_REPLIES = _insert_arrays("replies", REPLY_COLUMNS)
"""A trigger uses their ids up: a small row for each, so that looking for an id does not read replies."""
_INSERT_NOTICES = _insert_arrays("notices", _NOTICE_COLUMNS)
_INSERT_DEAD_LETTERS = _insert_row("dead_letters", _DEAD_LETTER_COLUMNS)
"""Row by row: the headers are arrays, and PostgreSQL takes an array of arrays apart down to their elements."""

EARLIER_REPLIES: LiteralString = """
    select i.command_key, r.digest, r.name, r.value from unnest(%s::uuid[]) as asked (command_key)
    join redletter.command_ids as i using (command_key)
    join redletter.replies as r on r.partition = i.partition and r.place = i.place
"""
STREAMS: LiteralString = """
    select originator_id, topic, state from redletter.invoice_events
    where originator_id = any(%s) order by originator_id, originator_version
"""
_ISSUES: LiteralString = """
    select originator_id, topic, state from redletter.invoice_events
    where originator_version = 1 and originator_id = any(%s)
"""


def issues(cur: Cursor[TupleRow], numbers: Collection[str]) -> dict[str, tuple[str, bytes]]:
    """Return the first event of each invoice, as (stored name, bytes): every invoice begins with being issued."""
    cur.execute(_ISSUES, (sorted(numbers),), binary=True)
    return {number: (name, state) for number, name, state in cur.fetchall()}


class LogRow(NamedTuple):
    """One entry of the log. ends: the last entry of its command. digest: of the command, where this uses up its id."""

    place: int
    ends: bool
    kind: str
    key: bytes | None
    value: bytes | None
    name: str
    id: str
    subject: str | None
    at: datetime
    causation: str
    correlation: str
    traceparent: str | None
    version: int | None
    header_names: list[bytes] | None
    header_values: list[bytes | None] | None
    digest: bytes | None

    @property
    def identity(self) -> str:
        """A digest that no other entry has, nor any that might take this one's place in the log."""
        facts = (self.place, self.kind, self.name, self.id, self.subject, self.version, self.at.astimezone(UTC))
        digest = blake2b(repr(facts).encode(), digest_size=16)
        for part in (self.key, self.value):
            digest.update(b"-" if part is None else b"%d:%b" % (len(part), part))
        return digest.hexdigest()


_COLUMNS = cast("LiteralString", ", ".join(LogRow._fields))
_ENTRIES: LiteralString = """
    select place, false as ends, 'event' as kind, convert_to(originator_id, 'UTF8') as key, state as value,
        topic as name, '' as id, originator_id as subject, occurred_at as at, causation_id as causation,
        correlation_id as correlation, traceparent, originator_version as version,
        null::bytea[] as header_names, null::bytea[] as header_values, null::bytea as digest,
        1024 + octet_length(state) as size
    from redletter.invoice_events where partition = %(partition)s and {places}
    union all
    select place, true, 'reply', record_key, value, name, id, subject, sent_at, causation_id, correlation_id,
        traceparent, null, null, null, digest, 1024 + coalesce(octet_length(record_key), 0) + octet_length(value)
    from redletter.replies where partition = %(partition)s and {places}
    union all
    select place, not answered, 'dead letter', record_key, value, '', '', null, buried_at, '', '', null, null,
        header_names || array['dl_reason', 'dl_error', 'dl_topic', 'dl_partition', 'dl_offset']::bytea[],
        header_values || array[convert_to(reason, 'UTF8'), convert_to(error, 'UTF8'), convert_to(topic, 'UTF8'),
            convert_to(record_partition::text, 'UTF8'), convert_to(record_offset::text, 'UTF8')],
        null, 1024 + coalesce(octet_length(record_key), 0) + coalesce(octet_length(value), 0) + octet_length(error)
            + coalesce((select sum(octet_length(part)) from unnest(header_names || header_values) as part), 0)::int
    from redletter.dead_letters where partition = %(partition)s and {places}
    union all
    select place, not answered, 'notice', convert_to(invoice_number, 'UTF8'), value, name, id, invoice_number, sent_at,
        causation_id, correlation_id, traceparent, null, null, null, null, 1024 + octet_length(value)
    from redletter.notices where partition = %(partition)s and {places}
"""
"""size: 1024 for the headers that every message has, and what else it has. An int: sums of those are fast."""
AFTER: LiteralString = """
    select {columns} from (
        select *, sum(size) filter (where place > %(place)s)
            over (order by place rows between unbounded preceding and 1 preceding) as before
        from ({entries}) as entries
    ) as added
    where before is null or before < %(bytes)s
    order by place
""".format(  # noqa: S608 - literals alone
    columns=_COLUMNS, entries=_ENTRIES.format(places="place between %(place)s and %(place)s::bigint + %(rows)s")
)
"""The entry at the position, and what comes behind it.

Places have no gaps, so that the last place bounds the rows whatever plan is made; a limit would let a plan made for an
empty log read all that is behind the position. A bigint, since psycopg sends a number as the smallest type that holds
it, and PostgreSQL adds two smallints to a smallint: no place from 31,768 to 32,767 could be read from.
"""
COMMAND: LiteralString = """
    select {columns} from ({entries}) as entries order by place
""".format(columns=_COLUMNS, entries=_ENTRIES.format(places="place between %(place)s and %(end)s"))  # noqa: S608 - the same
AT: LiteralString = """
    select {columns} from ({entries}) as entries order by place
""".format(columns=_COLUMNS, entries=_ENTRIES.format(places="place = any(%(places)s)"))  # noqa: S608 - the same
END_OF_COMMAND: LiteralString = """
    select min(place) from (
        (select place from redletter.replies where partition = %(partition)s and place > %(place)s
            order by place limit 1)
        union all
        (select place from redletter.dead_letters
            where partition = %(partition)s and place > %(place)s and not answered order by place limit 1)
        union all
        (select place from redletter.notices
            where partition = %(partition)s and place > %(place)s and not answered order by place limit 1)
    ) as ends
"""
LAST_PLACE: LiteralString = """
    select last_place, stopped is not null from redletter.log_partitions where partition = %(partition)s
"""
LAST_PLACES: LiteralString = "select partition, last_place from redletter.log_partitions order by partition"
LOG_ENDS: LiteralString = "select partition, last_place, stopped is not null from redletter.log_partitions"
STOP: LiteralString = """
    update redletter.log_partitions set stopped = %(why)s
    where partition = %(partition)s and stopped is distinct from %(why)s
"""
RESUME: LiteralString = """
    update redletter.log_partitions set stopped = null where partition = %(partition)s and stopped is not null
"""
FLUSH: LiteralString = "select pg_logical_emit_message(false, 'redletter', '', true)::text"
"""Flush what was committed before, with whatever ``synchronous_commit``, and return the place in the WAL behind it."""
FLUSHED: LiteralString = """
    select count(*) from pg_stat_replication as r where r.state = 'streaming' and r.flush_lsn >= %(lsn)s::text::pg_lsn
        and not exists (select from pg_replication_slots where active_pid = r.pid and slot_type = 'logical')
"""
NOTED: LiteralString = "select partition, place from redletter.published"
NOTE_PUBLISHED: LiteralString = """
    update redletter.published as p set place = t.place
    from unnest(%(partitions)s::int[], %(places)s::bigint[]) as t (partition, place)
    where p.partition = t.partition and p.place < t.place
"""
_DELETE: LiteralString = """
    with deleted as (
        delete from redletter.{table} where ctid = any(array(
            select e.ctid from redletter.{table} as e join redletter.published as p using (partition)
            where e.written_at < now() - %(keep)s and e.place < p.place{more}
            order by e.written_at limit %(rows)s for update of e skip locked
        ))
        returning 1
    ) select count(*) from deleted
"""
DELETE_REPLIES: LiteralString = _DELETE.format(table="replies", more=" and e.command_key is null")
DELETE_DEAD_LETTERS: LiteralString = _DELETE.format(table="dead_letters", more="")
DELETE_NOTICES: LiteralString = _DELETE.format(table="notices", more="")
"""Delete the oldest that nothing but publication needs. The entry at the published place stays: it proves the place."""

"""The tables of parked invoices. Every change compares the version of the queue that it was made on."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, LiteralString, NamedTuple
from uuid import UUID

from psycopg import Connection, Cursor
from psycopg.rows import TupleRow

from service.log.parking import Queue, WaitingCommand
from transport.records import ConsumerRecord


class QueueChanged(Exception):
    """Another transaction has changed a queue since it was seen."""


class ParkedInvoice(NamedTuple):
    """A parked invoice. since: when. error: why. commands and bytes: of the records that wait."""

    invoice_number: str
    since: datetime
    error: str
    commands: int
    bytes: int


QUEUES: LiteralString = """
    select invoice_number, error, version, last_turn, last_place, commands, bytes,
        array(select command_key from redletter.parked_commands as c where c.invoice_number = p.invoice_number)
    from redletter.parked_invoices as p join (
        select unnest(%s::text[]) union
        select invoice_number from redletter.parked_commands where command_key = any(%s)
    ) as asked (invoice_number) using (invoice_number)
"""
"""The queues of invoices, and those in which commands with certain keys wait, for `queues_of`."""


def queues_of(rows: Iterable[tuple[Any, ...]]) -> dict[str, Queue]:
    """Return the queues by invoice."""
    return {number: Queue(*fields, keys=set(keys)) for number, *fields, keys in rows}


def read_first(cur: Cursor[TupleRow], number: str, most: int) -> tuple[UUID | None, Sequence[WaitingCommand]]:
    """Return the version of an invoice's queue, and the first commands in it; None and nothing where it has none."""
    rows = cur.execute(_FIRST, (number, most)).fetchall()
    return (rows[0][0], [_waiting(row[1:]) for row in rows]) if rows else (None, ())


def numbers_of(cur: Cursor[TupleRow], records: Sequence[tuple[str, int, int]]) -> list[str]:
    """Return the invoices whose queues hold any of these records, given by topic, partition and offset."""
    columns = [list(column) for column in zip(*records, strict=True)] or [[], [], []]
    return [number for (number,) in cur.execute(_NUMBERS, columns)]


def read_parked(connection: Connection[TupleRow]) -> list[ParkedInvoice]:
    """Return all parked invoices, those that have waited longest first."""
    return [ParkedInvoice(*row) for row in connection.execute(_PARKED)]


def apply_queues(cur: Cursor[TupleRow], queues: Mapping[str, Queue]) -> None:
    """Write what has become of queues: an empty one ends the parking of its invoice.

    Raises: QueueChanged; psycopg's UniqueViolation when another transaction has parked one of the invoices.
    """
    for number, queue in sorted(queues.items()):
        if queue.version is None:
            cur.execute(_PARK, _columns(number, queue))
        else:
            cur.execute(_UNPARK if not queue.commands else _CHANGE, _columns(number, queue))
            if cur.fetchone() is None:
                raise QueueChanged(number)
        if queue.left and queue.commands:
            cur.execute(_LEAVE, (number, queue.left))
        if queue.added:
            cur.executemany(_WAIT, [(number, *_fields(waiting)) for waiting in queue.added])


def _columns(number: str, queue: Queue) -> dict[str, Any]:
    return {
        "number": number,
        "version": queue.version,
        "error": queue.error,
        "last_turn": queue.last_turn,
        "last_place": queue.last_place,
        "commands": queue.commands,
        "bytes": queue.bytes,
    }


def _fields(waiting: WaitingCommand) -> Sequence[Any]:
    *command, record = waiting
    return (
        *command,
        record.topic,
        record.partition,
        record.offset,
        record.timestamp,
        record.key,
        record.value,
        [name.encode() for name, _ in record.headers],
        [value for _, value in record.headers],
    )


def _waiting(row: Sequence[Any]) -> WaitingCommand:
    turn, place, command_key, id_, source, type_, *origin, key, value, names, values = row
    topic, partition, offset, timestamp = origin
    headers: Any = tuple((name.decode(), header) for name, header in zip(names, values, strict=True))
    sizes = (len(key or b""), len(value or b""))
    record = ConsumerRecord(topic, partition, offset, timestamp, _APPENDED, key, value, None, *sizes, headers)
    return WaitingCommand(turn, place, command_key, id_, source, type_, record)


_APPENDED = 1
"""The timestamp type of a record that has the broker's time."""
_COMMAND_COLUMNS: LiteralString = (
    "turn, place, command_key, command_id, command_source, command_type, topic, record_partition, record_offset, "
    "record_timestamp, record_key, value, header_names, header_values"
)
_FIRST: LiteralString = f"""
    select version, {_COMMAND_COLUMNS} from redletter.parked_invoices join redletter.parked_commands
    using (invoice_number) where invoice_number = %s order by turn limit %s
"""  # noqa: S608 - literals alone
_NUMBERS: LiteralString = """
    select distinct invoice_number from redletter.parked_commands
    join unnest(%s::text[], %s::int[], %s::bigint[]) as asked (topic, record_partition, record_offset)
        using (topic, record_partition, record_offset)
    order by invoice_number
"""
_PARKED: LiteralString = """
    select invoice_number, since, error, commands, bytes from redletter.parked_invoices order by since, invoice_number
"""
_PARK: LiteralString = """
    insert into redletter.parked_invoices (invoice_number, error, last_turn, last_place, commands, bytes)
    values (%(number)s, %(error)s, %(last_turn)s, %(last_place)s, %(commands)s, %(bytes)s)
"""
_CHANGE: LiteralString = """
    update redletter.parked_invoices set version = gen_random_uuid(), error = %(error)s, last_turn = %(last_turn)s,
        last_place = %(last_place)s, commands = %(commands)s, bytes = %(bytes)s
    where invoice_number = %(number)s and version = %(version)s returning 1
"""
_UNPARK: LiteralString = """
    delete from redletter.parked_invoices where invoice_number = %(number)s and version = %(version)s returning 1
"""
_LEAVE: LiteralString = "delete from redletter.parked_commands where invoice_number = %s and turn <= %s"
_WAIT: LiteralString = f"""
    insert into redletter.parked_commands (invoice_number, {_COMMAND_COLUMNS})
    values (%b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b)
"""  # noqa: S608 - the same

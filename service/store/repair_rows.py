"""Statements that repair the log, in one transaction of the caller's."""

from collections.abc import Sequence
from typing import LiteralString

from psycopg import Cursor
from psycopg.rows import TupleRow

from events.names import WORKER_GROUP
from service.log.entries import DeadLetterEntry, LogEntry
from service.store import appending, log_tables
from service.store.log_tables import LogRow, Placed


def lock_log(cur: Cursor[TupleRow]) -> dict[int, int]:
    """Let nobody else decide until the transaction ends; return the last place of each partition of the log.

    Rows are locked in the order in which a worker does.
    """
    cur.execute(_LOCK_POSITIONS, (WORKER_GROUP,))
    return dict(cur.execute(_LOCK).fetchall())


def rows_up_to(cur: Cursor[TupleRow], partition: int, first: int, last: int) -> list[LogRow]:
    """Return the entries from one place to another, as they are published."""
    cur.execute(log_tables.COMMAND, {"partition": partition, "place": first, "end": last}, binary=True)
    return list(map(LogRow._make, cur.fetchall()))


def has_letter(cur: Cursor[TupleRow], letter: DeadLetterEntry) -> bool:
    """Return whether the dead letter of this record is in the log."""
    return cur.execute(_LETTER, (letter.topic, letter.partition, letter.offset)).fetchone() is not None


def add(cur: Cursor[TupleRow], placed: Sequence[Placed[LogEntry]]) -> None:
    """Write entries behind the end of their partition of the log."""
    appending.insert(cur, placed)
    cur.execute(_MOVE_END, (placed[-1].place, placed[-1].partition))


def resume(cur: Cursor[TupleRow]) -> None:
    """Let all partitions of the log be written to again."""
    cur.execute(_RESUME)


_LOCK_POSITIONS: LiteralString = """
    select from redletter.positions where consumer = %s order by topic, partition for update
"""
_LOCK: LiteralString = "select partition, last_place from redletter.log_partitions order by partition for update"
_LETTER: LiteralString = """
    select from redletter.dead_letters where topic = %s and record_partition = %s and record_offset = %s limit 1
"""
_MOVE_END: LiteralString = "update redletter.log_partitions set last_place = %s where partition = %s"
_RESUME: LiteralString = "update redletter.log_partitions set stopped = null where stopped is not null"

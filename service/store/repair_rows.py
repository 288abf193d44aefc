"""Statements that repair the log, in one transaction of the caller's."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import LiteralString

from psycopg import Cursor
from psycopg.rows import TupleRow

from events.names import WORKER_GROUP
from service.log.entries import LogEntry
from service.store import appending, log_tables
from service.store.log_tables import LogRow, Placed


def lock_log(cur: Cursor[TupleRow]) -> dict[int, int]:
    """Let nobody else decide until the transaction ends; return the last place of each partition of the log.

    Rows are locked in the order in which a worker does.
    """
    cur.execute(_LOCK_POSITIONS, (WORKER_GROUP,))
    return dict(cur.execute(_LOCK).fetchall())


def rows_at(cur: Cursor[TupleRow], partition: int, places: Iterable[int]) -> list[LogRow]:
    """Return the entries at places, as they are published."""
    cur.execute(log_tables.AT, {"partition": partition, "places": list(places)}, binary=True)
    return list(map(LogRow._make, cur.fetchall()))


def newest_letter(cur: Cursor[TupleRow], partition: int) -> tuple[str, int, int, datetime] | None:
    """Return topic, partition and offset of the record of a partition's last dead letter, and when it was buried."""
    cur.execute(_NEWEST_LETTER, (partition,))
    return cur.fetchone()


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
_NEWEST_LETTER: LiteralString = """
    select topic, record_partition, record_offset, buried_at from redletter.dead_letters
    where partition = %s order by place desc limit 1
"""
_MOVE_END: LiteralString = "update redletter.log_partitions set last_place = %s where partition = %s"
_RESUME: LiteralString = "update redletter.log_partitions set stopped = null where stopped is not null"

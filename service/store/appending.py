"""Appending to the log: every entry gets its place in a partition.

An entry lies in the partition that its key goes to in Kafka, so all entries of a command lie side by side in one. The
row of a partition hands out its places; its lock is held until the commit, so places become visible in their order.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, LiteralString

from psycopg import Cursor
from psycopg.rows import TupleRow

from service.log.entries import DeadLetterEntry, EventEntry, LogEntry, NoticeEntry, ReplyEntry
from service.store import log_tables
from service.store.log_tables import Placed
from service.store.write import LogStopped
from transport.arrays import binary_array
from transport.partitioning import partition_of


class LogMoved(Exception):
    """Somebody else has written to a partition of the log since it was last known."""


def append(
    cur: Cursor[TupleRow], entries: Sequence[LogEntry], partitions: int, known: Mapping[int, int]
) -> Mapping[int, int]:
    """Give each entry its place in the log, and write each kind with one statement.

    partitions: of the log. known: the last place of some of them. Returns the last place of each that was written to.
    Raises: LogMoved when one of these has another last place; LogStopped; LookupError when the log has fewer
    partitions.
    """
    if not entries:
        return {}
    chosen = [_partition(entry, partitions) for entry in entries]
    places = _draw(cur, Counter(chosen))
    if any(known.get(partition, last) != last for partition, last in places.items()):
        msg = "somebody else has written to a partition of the log that was remembered"
        raise LogMoved(msg)
    placed: list[Placed[LogEntry]] = []
    for partition, entry in zip(chosen, entries, strict=True):
        places[partition] += 1
        placed.append(Placed(partition, places[partition], entry))
    insert(cur, placed)
    cur.execute(_NOTIFY, (binary_array("text", [f"{partition}:{last}" for partition, last in places.items()]),))
    return places


def insert(cur: Cursor[TupleRow], placed: Sequence[Placed[LogEntry]]) -> None:
    """Write entries at their places, each kind with one statement."""
    by_kind: dict[type, list[Placed[Any]]] = defaultdict(list)
    for one in placed:
        by_kind[type(one.entry)].append(one)
    for kind, insert_all in _INSERTS.items():
        if of_kind := by_kind.get(kind):
            insert_all(cur, of_kind)


_INSERTS: Mapping[type, Callable[[Cursor[TupleRow], Sequence[Placed[Any]]], None]] = {
    EventEntry: log_tables.insert_events,
    ReplyEntry: log_tables.insert_replies,
    DeadLetterEntry: log_tables.insert_dead_letters,
    NoticeEntry: log_tables.insert_notices,
}


def _partition(entry: LogEntry, partitions: int) -> int:
    match entry:
        case EventEntry(invoice_number=number) | NoticeEntry(invoice_number=number):
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
        cur.execute(_STOPPED, (partitions,))
        if stopped := dict[int, str](cur.fetchall()):
            raise LogStopped(stopped)
        msg = f"the log has no partitions {sorted(wanted.keys() - last)}: was it migrated while this process ran?"
        raise LookupError(msg)
    return {partition: last[partition] - wanted[partition] for partition in partitions}


_NOTIFY: LiteralString = "select pg_notify('redletter_places', place) from unnest(%b::text[]) as p (place)"
_LOCK: LiteralString = """
    select from redletter.log_partitions where partition = any(%b::int[]) order by partition for no key update
"""
_DRAW: LiteralString = """
    update redletter.log_partitions as l set last_place = l.last_place + w.entries
    from unnest(%b::int[], %b::bigint[]) as w (partition, entries) where l.partition = w.partition and l.stopped is null
    returning l.partition, l.last_place
"""
_STOPPED: LiteralString = """
    select partition, stopped from redletter.log_partitions where partition = any(%b::int[]) and stopped is not null
"""

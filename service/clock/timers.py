"""The clock's table of what is to be sent and when. Set-based SQL."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

from psycopg import AsyncCursor, Cursor
from psycopg.rows import TupleRow


@dataclass(frozen=True, slots=True)
class Timer:
    """Something to send. attempt counts its sendings so far; partition is that of the event that opened it."""

    id: str
    partition: int
    name: str
    invoice_number: str
    body: bytes
    due_at: datetime
    causation: str
    correlation: str
    traceparent: str | None
    attempt: int = 0


IN_INDEX_ORDER = {"enable_bitmapscan": "off", "enable_seqscan": "off", "enable_sort": "off"}
"""Settings of a session that takes timers: before a backlog is analysed the planner sorts all of it for each go."""
TimerPlace = tuple[datetime, int]
"""Where a timer stands among those of its partition: when it is due, and in which order it was opened."""
FIRST: TimerPlace = (datetime.min.replace(tzinfo=UTC), 0)
"""Before every other place."""


_CLOSE: LiteralString = "delete from redletter.timers where id = any(%s)"
_DELAY: LiteralString = """
    update redletter.timers as t set due_at = d.due_at
    from unnest(%s::text[], %s::timestamptz[]) as d (id, due_at) where t.id = d.id
"""
_OPEN: LiteralString = """
    insert into redletter.timers (id, partition, name, invoice_number, body, due_at, causation_id, correlation_id,
        traceparent)
    select * from unnest(%s::text[], %s::int[], %s::text[], %s::text[], %s::bytea[], %s::timestamptz[], %s::text[],
        %s::text[], %s::text[])
    on conflict do nothing
"""
_DUE: LiteralString = """
    select partition from unnest(%s::int[]) as asked (partition)
    where exists (select from redletter.timers as t where t.partition = asked.partition and t.due_at <= %s)
    order by partition
"""
_TAKE_DUE: LiteralString = """
    update redletter.timers as t
    set attempt = attempt + 1,
        due_at = %(now)s + least(%(repeat)s * power(2, least(attempt, 30)), %(most)s)
    from (
        select id, due_at, opened from redletter.timers
        where partition = %(partition)s and due_at <= %(now)s and (due_at, opened) > (%(due)s, %(opened)s)
        order by due_at, opened limit %(limit)s for update
    ) as due
    where t.id = due.id
    returning t.id, t.partition, t.name, t.invoice_number, t.body, t.due_at, t.causation_id, t.correlation_id,
        t.traceparent, t.attempt, due.due_at, due.opened
"""


def change(
    cur: Cursor[TupleRow],
    *,
    opened: Sequence[Timer],
    closed: Collection[str],
    delayed: Mapping[str, datetime],
) -> None:
    """Write what a batch of events asks for, in the caller's transaction. A repeat changes nothing."""
    if closed:
        cur.execute(_CLOSE, (sorted(closed),))
    open_(cur, opened)
    if delayed:
        cur.execute(_DELAY, (list(delayed), list(delayed.values())))


def open_(cur: Cursor[TupleRow], timers: Sequence[Timer]) -> None:
    """Add timers; one that is there already stays as it is."""
    if timers:
        cur.execute(_OPEN, [list(column) for column in zip(*map(_row, timers), strict=True)])


def _row(timer: Timer) -> tuple[Any, ...]:
    return (
        timer.id,
        timer.partition,
        timer.name,
        timer.invoice_number,
        timer.body,
        timer.due_at,
        timer.causation,
        timer.correlation,
        timer.traceparent,
    )


async def due_partitions(cur: AsyncCursor[TupleRow], partitions: Collection[int], now: datetime) -> list[int]:
    """Return those of the partitions in which something is due."""
    await cur.execute(_DUE, (sorted(partitions), now))
    return [partition for (partition,) in await cur.fetchall()]


async def take_due(  # noqa: PLR0913 - the clock's settings
    cur: AsyncCursor[TupleRow],
    partition: int,
    now: datetime,
    *,
    repeat: timedelta,
    repeat_max: timedelta,
    limit: int,
    after: TimerPlace = FIRST,
) -> tuple[list[Timer], TimerPlace]:
    """Count one more sending of what is due, and return it in the order in which it was due, with its last place.

    after: what a backlog has been worked off up to. What was taken before leaves dead entries in the index, which each
    go would pass over again.

    Locks the rows: the caller publishes, and only then commits. Of one return only one tax request is open at a time,
    so that none goes out behind a later one.
    """
    due, opened = after
    wanted = {"now": now, "repeat": repeat, "most": repeat_max, "partition": partition, "limit": limit}
    await cur.execute(_TAKE_DUE, {**wanted, "due": due, "opened": opened}, binary=True)
    rows = sorted(await cur.fetchall(), key=_place)
    return [Timer(*row[:-2]) for row in rows], _place(rows[-1]) if rows else after


def _place(row: TupleRow) -> TimerPlace:
    return row[-2], row[-1]

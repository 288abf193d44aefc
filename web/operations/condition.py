"""What is wrong with the system as a whole, as far as PostgreSQL and Kafka tell: the reasons to call it degraded."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from events.values import Message
from projections.catalogue import MODELS
from projections.engine import health
from projections.engine.health import Stopped
from rules.calendar import MainlandChina, day_of
from transport.groups import Group

UNPUBLISHED_FOR = 30.0
"""Seconds that an entry of the log may be unpublished."""
CALENDAR_ENDS_WITHIN = timedelta(days=60)
GROUPS: Mapping[str, Collection[str]] = {
    "worker": ("redletter.worker",),
    "relay": ("redletter.relay",),
    "projector": tuple(entry.consumer for entry in MODELS.values()),
    "clock": ("redletter.clock",),
}
"""The consumer groups in which each role must have a living member; the broker forgets one that is frozen."""

_UNPUBLISHED = """
    select coalesce(sum(entries), 0)::bigint, coalesce(extract(epoch from now() - min(oldest)), 0)::float8
    from redletter.unpublished where entries > 0
"""
_POSITIONS = """
    select consumer, topic, partition, unread, gone from redletter.positions
    where (unread is not null or gone > 0) and consumer not like '%.rebuild' order by consumer, topic, partition
"""


Listening = Mapping[str, Callable[[], bool]]
"""What this process listens to, for people, and whether it does now."""


class Partition(NamedTuple):
    """A partition that a consumer does not read, and why, or of which offsets were deleted before it read them.

    gone: offsets, not records: a marker of a transaction has one too.
    """

    consumer: str
    topic: str
    partition: int
    unread: str | None
    gone: int


class Condition(NamedTuple):
    """What PostgreSQL tells. unpublished: entries of the log, the oldest of which waits so many seconds."""

    unpublished: int
    seconds: float
    partitions: Sequence[Partition]
    stopped: Sequence[Stopped]


class Reason(Message):
    """Why the system is degraded. detail: a sentence for people."""

    code: str
    detail: str


async def condition(connection: AsyncConnection[TupleRow]) -> Condition:
    """Return what PostgreSQL tells."""
    entries, seconds = await (await connection.execute(_UNPUBLISHED)).fetchone() or (0, 0.0)
    partitions = [Partition(*row) for row in await (await connection.execute(_POSITIONS)).fetchall()]
    return Condition(entries, seconds, partitions, await health.stopped(connection))


def reasons(known: Condition, now: datetime, calendar: MainlandChina) -> Iterator[Reason]:
    """Yield the reasons that PostgreSQL and the calendar of business days give at a moment."""
    for model in known.stopped:
        where = ", ".join(map(str, model.partitions))
        yield Reason(code="READ_MODEL_STOPPED", detail=f"{model.model}, partitions {where}: {model.why}")
    if known.seconds > UNPUBLISHED_FOR:
        detail = f"{known.unpublished} entries of the log are unpublished, the oldest for {known.seconds:.0f} s."
        yield Reason(code="LOG_UNPUBLISHED", detail=detail)
    for one in known.partitions:
        place = f"{one.consumer} on {one.topic}, partition {one.partition}"
        if one.unread is not None:
            yield Reason(code="PARTITION_NOT_READ", detail=f"{place}: {one.unread}")
        if one.gone:
            detail = (
                f"{place}: {one.gone} offsets were deleted before they were read (markers of transactions included)"
            )
            yield Reason(code="RECORDS_GONE", detail=detail)
    if day_of(now + CALENDAR_ENDS_WITHIN) > calendar.known_until:
        detail = (
            f"The calendar of business days is known until {calendar.known_until} only; due dates after it are"
            " provisional. Once the next year is decreed, give its days in the file that REDLETTER_CALENDAR_FILE names."
        )
        yield Reason(code="CALENDAR_ENDS", detail=detail)


def missing(groups: Mapping[str, Group]) -> Iterator[Reason]:
    """Yield the roles that nobody plays: none runs, or those that do are frozen."""
    for role, names in GROUPS.items():
        empty = [name for name in names if name in groups and not groups[name].members]
        if empty:
            detail = f"Nobody works in {', '.join(empty)}: no {role} runs, or it is frozen."
            yield Reason(code="ROLE_MISSING", detail=detail)


def deaf(listening: Listening) -> Iterator[Reason]:
    """Yield what this process does not listen to although it should."""
    for what, listens in listening.items():
        if not listens():
            yield Reason(code="NOT_LISTENING", detail=f"This api does not hear {what} now.")

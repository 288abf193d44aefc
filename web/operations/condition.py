"""Why the system as a whole is degraded, as far as PostgreSQL and Kafka show it."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from events.names import CLOCK_GROUP, PROJECTOR_GROUP, RELAY_GROUP, WORKER_GROUP, is_of_read_side
from events.values import InvoiceNumber, Message, Time
from projections.catalogue import MODELS
from projections.engine import health, parking
from projections.engine.health import Stopped
from projections.engine.parking import OutOfDateModel
from rules.calendar import MainlandChina, day_of
from rules.quantities import counted
from transport.groups import Group
from transport.positions import read_all_async

UNPUBLISHED_FOR = 30.0
"""Seconds that an entry of the log may be unpublished."""
CALENDAR_ENDS_WITHIN = timedelta(days=60)
GROUPS_OF_ROLES: Mapping[str, Collection[str]] = {
    "worker": (WORKER_GROUP,),
    "relay": (RELAY_GROUP,),
    "projector": (PROJECTOR_GROUP, *(entry.consumer for entry in MODELS.values())),
    "clock": (CLOCK_GROUP,),
}
"""The consumer groups in which each role must have a living member; the broker forgets one that is frozen."""

_UNPUBLISHED = """
    select coalesce(sum(entries), 0)::bigint, coalesce(extract(epoch from now() - min(oldest)), 0)::float8
    from redletter.unpublished where entries > 0
"""
_LOG_STOPPED = "select stopped from redletter.log_partitions where stopped is not null order by partition"
_PARKED = """
    select count(*) over (), sum(commands) over ()::bigint, invoice_number, since, error, commands
    from redletter.parked_invoices order by since, invoice_number limit 100
"""


Listening = Mapping[str, Callable[[], bool]]
"""What this process receives, in words for people, and whether it does at the moment."""


class Partition(NamedTuple):
    """A partition that a consumer does not read, and why, or whose offsets were deleted before it read them.

    next: the offset at which it stands. gone: offsets, not records: transaction markers have offsets too.
    """

    consumer: str
    topic: str
    partition: int
    next: int
    unread: str | None
    unread_since: datetime | None
    gone: int


class WaitingInvoice(Message):
    """An invoice with a command that could not be decided. commands: how many wait. why: the error."""

    invoice_number: InvoiceNumber
    since: Time
    why: str
    commands: int


class Parked(NamedTuple):
    """How many invoices are parked on the write side, how many commands wait, and the first of the invoices."""

    invoices: int = 0
    commands: int = 0
    first: Sequence[WaitingInvoice] = ()


class LogCondition(NamedTuple):
    """The state of the log, and of what is kept beside it.

    unpublished: entries, the oldest of which has waited ``seconds``. stopped: why partitions of it are, a sentence for
    each. partitions: those of topics that the worker and the clock do not read.
    """

    unpublished: int = 0
    seconds: float = 0.0
    stopped: Sequence[str] = ()
    parked: Parked = Parked()
    partitions: Sequence[Partition] = ()


class Condition(NamedTuple):
    """The state of the system in PostgreSQL. log: None while its database is away. partitions: of all consumers."""

    log: LogCondition | None
    partitions: Sequence[Partition]
    stopped: Sequence[Stopped]
    out_of_date: Sequence[OutOfDateModel]


class Reason(Message):
    """Why the system is degraded. detail: a sentence for operators."""

    code: str
    detail: str


async def log_condition(log: AsyncConnection[TupleRow]) -> LogCondition:
    """Return the state of the log."""
    entries, seconds = await (await log.execute(_UNPUBLISHED)).fetchone() or (0, 0.0)
    stopped = [why for (why,) in await (await log.execute(_LOG_STOPPED)).fetchall()]
    return LogCondition(entries, seconds, stopped, await _parked(log), await _troubled(log, read_side=False))


async def condition(read_models: AsyncConnection[TupleRow], log: LogCondition | None) -> Condition:
    """Return the state of the system in PostgreSQL. log: what `log_condition` returns."""
    partitions = [*(log.partitions if log else ()), *await _troubled(read_models, read_side=True)]
    stopped, out_of_date = await health.stopped(read_models), await parking.out_of_date(read_models, MODELS)
    return Condition(log, partitions, stopped, out_of_date)


async def _troubled(connection: AsyncConnection[TupleRow], *, read_side: bool) -> list[Partition]:
    return [
        Partition(*one)
        for one in await read_all_async(connection)
        if (one.unread is not None or one.gone) and is_of_read_side(one.consumer) == read_side
    ]


async def _parked(log: AsyncConnection[TupleRow]) -> Parked:
    rows = await (await log.execute(_PARKED)).fetchall()
    if not rows:
        return Parked()
    invoices, commands, *_ = rows[0]
    found = [
        WaitingInvoice(invoice_number=number, since=since, why=error, commands=waiting)
        for _, _, number, since, error, waiting in rows
    ]
    return Parked(invoices, commands, found)


def reasons(known: Condition, now: datetime, calendar: MainlandChina) -> Iterator[Reason]:
    """Yield the reasons that PostgreSQL and the calendar of business days give at a moment."""
    for model in known.stopped:
        where = ", ".join(map(str, model.partitions))
        yield Reason(code="READ_MODEL_STOPPED", detail=f"{model.model}, partitions {where}: {model.why}")
    for one in known.out_of_date:
        detail = (
            f"{one.model} shows {counted(one.invoices, 'invoice as it was', 'invoices as they were')} before an event"
            " that it cannot fold, since"
            f" {one.since.isoformat(timespec='seconds')}; the first is {one.first}: {one.why}"
        )
        yield Reason(code="INVOICES_OUT_OF_DATE", detail=detail)
    yield from _reasons_of_log(known.log)
    for one in known.partitions:
        place = f"{one.consumer} on {one.topic}, partition {one.partition}"
        if one.unread is not None:
            yield Reason(code="PARTITION_NOT_READ", detail=f"{place}: {one.unread}")
        if one.gone:
            gone = counted(one.gone, "offset was deleted before it was", "offsets were deleted before they were")
            detail = f"{place}: {gone} read (transaction markers included)"
            yield Reason(code="RECORDS_GONE", detail=detail)
    if day_of(now + CALENDAR_ENDS_WITHIN) > calendar.known_until:
        detail = (
            f"The calendar of business days is known until {calendar.known_until}; later due dates are provisional."
            " Once the next year is decreed, add its days to the file in REDLETTER_CALENDAR_FILE."
        )
        yield Reason(code="CALENDAR_ENDS", detail=detail)


def _reasons_of_log(log: LogCondition | None) -> Iterator[Reason]:
    if log is None:
        detail = "The database of the log does not answer: no command is decided, and nothing new is published."
        yield Reason(code="LOG_AWAY", detail=detail)
        return
    for first in log.parked.first[:1]:
        invoices = counted(log.parked.invoices, "invoice is", "invoices are")
        commands = counted(log.parked.commands, "command waits", "commands wait")
        detail = (
            f"{invoices} parked since a command could not be decided, and {commands}; the first is"
            f" {first.invoice_number}, since {first.since.isoformat(timespec='seconds')}: {first.why}"
        )
        yield Reason(code="INVOICES_PARKED", detail=detail)
    for why in log.stopped:
        yield Reason(code="LOG_DIFFERS", detail=f"{why}. No command of it is decided, and nothing of it is published.")
    if log.seconds > UNPUBLISHED_FOR:
        entries = counted(log.unpublished, "log entry is", "log entries are")
        detail = f"{entries} unpublished, the oldest for {log.seconds:.0f} s."
        yield Reason(code="LOG_UNPUBLISHED", detail=detail)


def missing(groups: Mapping[str, Group]) -> Iterator[Reason]:
    """Yield the roles of which no process runs, or only frozen ones."""
    for role, names in GROUPS_OF_ROLES.items():
        empty = [name for name in names if name in groups and not groups[name].members]
        if empty:
            detail = f"No {role} is running, or it is frozen: {', '.join(empty)} has no members."
            yield Reason(code="ROLE_MISSING", detail=detail)


def deaf(listening: Listening) -> Iterator[Reason]:
    """Yield the topics that this process does not receive although it should."""
    for what, listens in listening.items():
        if not listens():
            yield Reason(code="NOT_LISTENING", detail=f"This api is not receiving {what}.")

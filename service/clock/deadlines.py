"""Open returns and when they are due, so that their dates can be revised once their days are decreed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Any, LiteralString, NamedTuple

from psycopg import Cursor
from psycopg.rows import TupleRow

from events.catalogue import json_of, name_of
from events.commands import ReviseDeadline
from events.invoice_events import (
    CreditNoteIssued,
    ReturnDeadlineRevised,
    ReturnRefused,
    ReturnRequested,
)
from events.published import Published
from rules.calendar import MainlandChina
from service.clock.timers import Timer


class DueReturn(NamedTuple):
    """A return in progress. since: the id of the event that set its due dates."""

    return_id: str
    invoice_number: str
    partition: int
    requested_at: datetime
    due_earliest: datetime
    due_latest: datetime
    since: str
    correlation: str
    traceparent: str | None


def revision(open_: DueReturn, calendar: MainlandChina) -> Timer | None:
    """Return the command that revises a return's due dates, to be sent at once; None where they are right."""
    due = calendar.due(open_.requested_at)
    if (due.earliest, due.latest) == (open_.due_earliest, open_.due_latest):
        return None
    command = ReviseDeadline(
        invoice_number=open_.invoice_number,
        return_id=open_.return_id,
        due_earliest=due.earliest,
        due_latest=due.latest,
        calendar=due.calendar,
    )
    body = json_of(command)
    # Of these dates after those: a calendar that comes back after another is a revision of its own.
    what = blake2b(open_.since.encode() + body, digest_size=8).hexdigest()
    return Timer(
        id=f"{open_.return_id}-ReviseDeadline-{what}",
        partition=open_.partition,
        name=name_of(ReviseDeadline),
        invoice_number=open_.invoice_number,
        body=body,
        due_at=open_.requested_at,
        causation=open_.since,
        correlation=open_.correlation,
        traceparent=open_.traceparent,
    )


@dataclass(frozen=True, slots=True)
class _Deadlines:
    """What a batch of events says of open returns, by return id. closed: invoices whose revisions are not sent."""

    opened: dict[str, DueReturn] = field(default_factory=dict[str, DueReturn])
    revised: dict[str, tuple[datetime, datetime, str]] = field(
        default_factory=dict[str, tuple[datetime, datetime, str]]
    )
    ended: set[str] = field(default_factory=set[str])
    closed: set[str] = field(default_factory=set[str])
    revisions: dict[str, Timer | None] = field(default_factory=dict[str, Timer | None])

    def take(self, one: Published, calendar: MainlandChina) -> None:
        """Fold one event in."""
        match one.event:
            case ReturnRequested() as event:
                opened = self.opened[event.return_id] = _opened(one, event)
                self.revisions[event.return_id] = revision(opened, calendar)
            case ReturnDeadlineRevised() as event:
                self.revised[event.return_id] = (event.due_earliest, event.due_latest, one.id)
                self.closed.add(event.invoice_number)
                self.revisions[event.return_id] = None
            case CreditNoteIssued() | ReturnRefused() as event:
                self.ended.add(event.return_id)
                self.closed.add(event.invoice_number)
                self.revisions[event.return_id] = None
            case _:
                pass


def follow(cur: Cursor[TupleRow], batch: Iterable[Published], calendar: MainlandChina) -> list[Timer]:
    """Keep what a batch of events says of open returns; return the revisions of those that it opened."""
    deadlines = _Deadlines()
    for one in batch:
        deadlines.take(one, calendar)
    if deadlines.opened:
        cur.execute(_ADD, _columns(deadlines.opened.values()))
    if deadlines.revised:
        cur.execute(_REVISE, _columns([(return_id, *due) for return_id, due in deadlines.revised.items()]))
    if deadlines.ended:
        cur.execute(_END, (sorted(deadlines.ended),))
    if deadlines.closed:
        cur.execute(_CLOSE, (sorted(deadlines.closed),))
    return [timer for timer in deadlines.revisions.values() if timer]


def _columns(rows: Iterable[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def outdated(cur: Cursor[TupleRow], calendar: MainlandChina) -> Sequence[Timer]:
    """Return the revisions of all open returns whose due dates another calendar gave."""
    cur.execute(_ALL)
    found = (revision(DueReturn(*row), calendar) for row in cur)
    return [timer for timer in found if timer]


def _opened(published: Published, event: ReturnRequested) -> DueReturn:
    trace = published.trace
    return DueReturn(
        return_id=event.return_id,
        invoice_number=event.invoice_number,
        partition=published.partition,
        requested_at=event.occurred_at,
        due_earliest=event.due_earliest,
        due_latest=event.due_latest,
        since=published.id,
        correlation=trace.correlation,
        traceparent=trace.traceparent,
    )


_ADD: LiteralString = """
    insert into redletter.clock_returns (return_id, invoice_number, partition, requested_at, due_earliest, due_latest,
        since, correlation_id, traceparent)
    select * from unnest(%s::text[], %s::text[], %s::int[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[],
        %s::text[], %s::text[], %s::text[])
    on conflict do nothing
"""
_REVISE: LiteralString = """
    update redletter.clock_returns as r set due_earliest = n.earliest, due_latest = n.latest, since = n.since
    from unnest(%s::text[], %s::timestamptz[], %s::timestamptz[], %s::text[]) as n (return_id, earliest, latest, since)
    where r.return_id = n.return_id
"""
_END: LiteralString = "delete from redletter.clock_returns where return_id = any(%s)"
_CLOSE: LiteralString = """
    delete from redletter.timers where name = 'ReviseDeadline.v1' and invoice_number = any(%s)
"""
_ALL: LiteralString = """
    select return_id, invoice_number, partition, requested_at, due_earliest, due_latest, since, correlation_id,
        traceparent
    from redletter.clock_returns
"""

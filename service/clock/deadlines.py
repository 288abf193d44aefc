"""Open returns and when they are due, so that their dates can be revised once their days are decreed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from hashlib import blake2b
from typing import LiteralString

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


@dataclass(frozen=True, slots=True)
class DueReturn:
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


def follow(cur: Cursor[TupleRow], batch: Iterable[Published], calendar: MainlandChina) -> list[Timer]:
    """Keep what a batch of events says of open returns; return the revisions of those that it opened."""
    revisions: dict[str, Timer | None] = {}
    with cur.connection.pipeline():
        for one in batch:
            match one.event:
                case ReturnRequested() as event:
                    opened = _opened(one, event)
                    cur.execute(_ADD, [getattr(opened, field.name) for field in fields(DueReturn)])
                    revisions[event.return_id] = revision(opened, calendar)
                case ReturnDeadlineRevised() as event:
                    cur.execute(_REVISE, (event.due_earliest, event.due_latest, one.id, event.return_id))
                    cur.execute(_CLOSE, (event.invoice_number,))
                    revisions[event.return_id] = None
                case CreditNoteIssued() | ReturnRefused() as event:
                    cur.execute(_END, (event.return_id,))
                    cur.execute(_CLOSE, (event.invoice_number,))
                    revisions[event.return_id] = None
                case _:
                    pass
    return [timer for timer in revisions.values() if timer]


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
    values (%s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing
"""
_REVISE: LiteralString = """
    update redletter.clock_returns set due_earliest = %s, due_latest = %s, since = %s where return_id = %s
"""
_END: LiteralString = "delete from redletter.clock_returns where return_id = %s"
_CLOSE: LiteralString = "delete from redletter.timers where name = 'ReviseDeadline.v1' and invoice_number = %s"
_ALL: LiteralString = """
    select return_id, invoice_number, partition, requested_at, due_earliest, due_latest, since, correlation_id,
        traceparent
    from redletter.clock_returns
"""

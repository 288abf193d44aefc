"""Events -> timers, batch by batch."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from typing import cast

import psycopg
from aiokafka import TopicPartition
from psycopg import Cursor
from psycopg.rows import TupleRow

from events.catalogue import json_of, name_of, read_event
from events.invoice_events import InvoiceIssued
from events.published import Published, read_published
from events.stored import WrittenByNewerRelease
from rules.calendar import MainlandChina
from service.clock import deadlines, timers
from service.clock.requests import CloseTimer, DelayTimer, OpenTimer, actions
from service.clock.timers import Timer
from service.store.newer_releases import read_known, too_old
from transport.batch import Batch
from transport.records import ConsumerRecord, Undecodable

SESSION_SETTINGS = {"lock_timeout": "5s", "transaction_timeout": "20s"}
"""A clock frozen in its transaction holds rows that its successor waits for; the server takes them away."""


class UnreadableEvent(Exception):
    """A record on the topic of events cannot be decoded. Only Redletter writes there, so this needs attention."""


@dataclass(slots=True)
class Changes:
    """What a batch of events changes, folded: what is opened and closed in the same batch is never written.

    latest: the time up to which a repeat may be put off, whatever an event says.
    """

    latest: datetime
    opened: dict[str, Timer] = field(default_factory=dict[str, Timer])
    closed: set[str] = field(default_factory=set[str])
    delayed: dict[str, datetime] = field(default_factory=dict[str, datetime])

    def take(self, published: Published, invoice: InvoiceIssued) -> None:
        """Fold one event in."""
        for action in actions(published.event, invoice):
            match action:
                case OpenTimer():
                    self.opened[action.id] = _timer(action, published)
                case CloseTimer(id=id_):
                    self.opened.pop(id_, None)
                    self.closed.add(id_)
                case DelayTimer(id=id_, due_at=due_at):
                    self.delayed[id_] = min(due_at, self.latest)


def _timer(action: OpenTimer, published: Published) -> Timer:
    trace = published.trace
    return Timer(
        id=action.id,
        partition=published.partition,
        name=name_of(type(action.body)),
        invoice_number=action.body.invoice_number,
        body=json_of(action.body),
        due_at=action.due_at,
        causation=trace.causation,
        correlation=trace.correlation,
        traceparent=trace.traceparent,
    )


class Watching:
    """The clock's work on one batch of events."""

    def __init__(
        self,
        calendar: MainlandChina,
        *,
        now: Callable[[], datetime],
        repeat_max: timedelta,
    ) -> None:
        self._calendar = calendar
        self._now = now
        self._repeat_max = repeat_max

    def found(self, cur: Cursor[TupleRow], _: Collection[TopicPartition]) -> None:
        """Ask, before partitions are read, for the revision of due dates that another calendar gave."""
        timers.open_(cur, deadlines.outdated(cur, self._calendar))

    def apply(self, cur: Cursor[TupleRow], batch: Batch) -> None:
        """Change the timers as the events ask. Raises: ProgramTooOld at an event of a newer release."""
        self._change(cur, [_read(record) for record in batch.records])

    def _change(self, cur: psycopg.Cursor, batch: Sequence[Published]) -> None:
        issued = {one.event.invoice_number: one.body for one in batch if isinstance(one.event, InvoiceIssued)}
        missing = {one.event.invoice_number for one in batch} - issued.keys()
        known = {number: _issued(body) for number, body in chain(issued.items(), timers.invoices(cur, missing).items())}
        changes = Changes(self._now() + self._repeat_max)
        for one in batch:
            changes.take(one, known[one.event.invoice_number])
        timers.change(
            cur, issued=issued, opened=list(changes.opened.values()), closed=changes.closed, delayed=changes.delayed
        )
        timers.open_(cur, deadlines.follow(cur, batch, self._calendar))


def _issued(body: bytes) -> InvoiceIssued:
    return cast("InvoiceIssued", read_known(read_event, name_of(InvoiceIssued), body))


def _read(record: ConsumerRecord | Undecodable) -> Published:
    if isinstance(record, Undecodable):
        msg = f"{record.topic} {record.partition} {record.offset}: {record.error}"
        raise UnreadableEvent(msg)
    try:
        return read_published(record.headers, record.value or b"", record.partition)
    except WrittenByNewerRelease as newer:
        raise too_old(newer) from newer

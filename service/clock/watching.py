"""Events -> timers, batch by batch."""

from collections.abc import Callable, Collection, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import cast

import psycopg
from aiokafka import TopicPartition
from psycopg import Cursor
from psycopg.rows import TupleRow

from events.catalogue import json_of, name_of, read_event, type_of
from events.invoice_events import (
    InvoiceIssued,
    PostingStatusChanged,
    ReissueRefused,
    ReissueRequested,
    ReturnRequested,
)
from events.published import Published, read_published
from events.topics import EVENTS_TOPIC
from events.upcasting import WrittenByNewerRelease
from rules.calendar import MainlandChina
from service.clock import deadlines, timers
from service.clock.timer_actions import CloseTimer, DelayTimer, OpenTimer, actions
from service.clock.timers import Timer
from service.store import log_tables
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

    def take(self, published: Published, invoice: InvoiceIssued | None) -> None:
        """Fold one event in. invoice: as it was issued, for the request for a return."""
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
        if concerning := [_read(record) for record in batch.records if _concerns(record)]:
            self._change(cur, concerning)

    def _change(self, cur: psycopg.Cursor, batch: Sequence[Published]) -> None:
        invoices = _invoices(cur, {one.event.invoice_number for one in batch if isinstance(one.event, ReturnRequested)})
        changes = Changes(self._now() + self._repeat_max)
        for one in batch:
            changes.take(one, invoices.get(one.event.invoice_number))
        timers.change(cur, opened=list(changes.opened.values()), closed=changes.closed, delayed=changes.delayed)
        timers.open_(cur, deadlines.follow(cur, batch, self._calendar))


def _invoices(cur: psycopg.Cursor, numbers: AbstractSet[str]) -> dict[str, InvoiceIssued]:
    """Return invoices as they were issued, which the log knows. Raises: ProgramTooOld, UnreadableEvent."""
    if not numbers:
        return {}
    issues = log_tables.issues(cur, numbers)
    if missing := numbers - issues.keys():
        msg = f"the log in this database has no invoice {min(missing)}, whose events are on {EVENTS_TOPIC}"
        raise UnreadableEvent(msg)
    return {
        number: cast("InvoiceIssued", read_known(read_event, name, body)) for number, (name, body) in issues.items()
    }


_ISSUED, *_OF_NO_CONCERN = (
    type_of(name_of(kind)).encode() for kind in (InvoiceIssued, PostingStatusChanged, ReissueRequested, ReissueRefused)
)


def _concerns(record: ConsumerRecord | Undecodable) -> bool:
    """Return whether a record may ask for anything; most invoices are issued and never returned."""
    if isinstance(record, Undecodable):
        return True
    type_ = dict(record.headers).get("ce_type")
    if type_ == _ISSUED:
        return b'"replaces"' in (record.value or b"")
    return type_ not in _OF_NO_CONCERN


def _read(record: ConsumerRecord | Undecodable) -> Published:
    if isinstance(record, Undecodable):
        msg = f"{record.topic} {record.partition} {record.offset}: {record.error}"
        raise UnreadableEvent(msg)
    try:
        return read_published(record.headers, record.value or b"", record.partition)
    except WrittenByNewerRelease as newer:
        raise too_old(newer) from newer

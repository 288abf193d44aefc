"""Rebuilding what a log lacks, in one transaction: entries, claims, queues, the worker's positions."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, islice
from operator import attrgetter
from typing import TypeVar
from uuid import UUID

from psycopg import Connection, Cursor
from psycopg.rows import TupleRow

from events.catalogue import name_of
from events.invoice_events import PersonalDataErased
from events.names import WORKER_GROUP
from events.upcasting import WrittenByNewerRelease
from service.invoice.claim_changes import claim_changes
from service.invoice.claim_overlay import WrongHolder
from service.invoice.claims import Claim, Holder
from service.invoice.evolve import evolve
from service.log.entries import EventEntry
from service.reconcile.loss import Loss, processed
from service.reconcile.published import CannotRebuild
from service.reconcile.queues import rebuilt_queues
from service.reconcile.settling import DatedChange, Settled, settle
from service.store import claim_rows, key_rows, parking_rows, repair_rows
from service.store.appending import append
from service.store.claim_rows import ClaimLost
from service.store.event_store import Recorded, read_history, read_stream
from service.store.key_rows import KeyChanged
from service.store.newer_releases import too_old
from service.store.parking_rows import QueueChanged
from service.store.write import may_fit_in_part
from service.worker.answering import answer_batch, set_aside
from service.worker.loading import load
from service.worker.moments import Moments
from service.worker.reading import read
from service.worker.recent_invoices import RecentInvoices
from service.worker.sealing import NOT_SEALING, Sealing
from transport import positions
from transport.clients.postgres import about_content
from transport.positions import Move, PositionLost
from transport.records import KafkaRecord, next_offset

_ROWS = 5_000
"""Entries written, and streams read, with one statement."""
_RECORDS = 500
"""Records decided together."""
_ERASED = name_of(PersonalDataErased)


_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What was done. decided: commands whose answer was lost, decided again."""

    entries: int
    decided: int


Disputed = tuple[Claim, Holder, Holder]
"""A claim that two invoices believe to hold, the later one first."""


def rebuild_log(
    connection: Connection[TupleRow],
    loss: Loss,
    moments: Moments,
    warn: Callable[[Sequence[Disputed]], None],
    sealing: Sealing = NOT_SEALING,
) -> Rebuilt:
    """Write what the log lacks, all or nothing; whatever happens, it can be done again.

    Keys that were made since are on no topic: what was sealed under them stays closed. Those that were destroyed since
    are destroyed again.

    connection: in autocommit. warn: told of what is disputed before anything is committed. Raises: CannotRebuild,
    ProgramTooOld, psycopg.Error.
    """
    try:
        return _rebuild(connection, loss, moments, warn, sealing)
    except (ClaimLost, KeyChanged, PositionLost, QueueChanged, WrongHolder) as rival:
        msg = f"somebody has written in the meantime ({rival}); nothing was changed, run this again"
        raise CannotRebuild(msg) from rival
    except WrittenByNewerRelease as newer:
        raise too_old(newer) from newer


def _rebuild(
    connection: Connection[TupleRow],
    loss: Loss,
    moments: Moments,
    warn: Callable[[Sequence[Disputed]], None],
    sealing: Sealing,
) -> Rebuilt:
    with connection.transaction(), connection.cursor() as cur:
        if not loss.fits(repair_rows.lock_log(cur)):
            msg = "somebody has written to the log in the meantime; nothing was changed, run this again"
            raise CannotRebuild(msg)
        repair_rows.resume(cur)
        for _, of_one in groupby(loss.entries, key=attrgetter("partition")):
            for some in _portions(of_one, _ROWS):
                repair_rows.add(cur, some)
        _compare_ends(cur, loss)
        entries = [one.entry for one in loss.entries]
        events = [entry for entry in entries if isinstance(entry, EventEntry)]
        key_rows.destroy_again(cur, {event.invoice_number for event in events if event.name == _ERASED})
        settled = _settle(connection, cur, events)
        warn(settled.disputed)
        claim_rows.apply(cur, settled.changes)
        parking_rows.apply_queues(cur, rebuilt_queues(cur, loss, moments, sealing))
        decided = _decide_lost(connection, cur, loss, moments, sealing)
        positions.stored(cur, WORKER_GROUP, loss.starts)
        positions.advance(cur, WORKER_GROUP, _moves(loss))
    return Rebuilt(len(entries), decided)


def _compare_ends(cur: Cursor[TupleRow], loss: Loss) -> None:
    for partition, end in loss.ends.items():
        (row,) = repair_rows.rows_at(cur, partition, [end.place])
        if not end.is_at(row):
            msg = f"partition {partition}: the entry at {end.place} is not the one that was published last"
            raise CannotRebuild(msg)


def _settle(connection: Connection[TupleRow], cur: Cursor[TupleRow], events: Sequence[EventEntry]) -> Settled:
    """Find out who holds the claims that the events change."""
    first: dict[str, int] = {}
    for event in events:
        first.setdefault(event.invoice_number, event.version)
    changes = list(chain.from_iterable(_changes(connection, some) for some in _portions(first.items(), _ROWS)))
    on_record: dict[Claim, Holder] = {}
    for some in _portions(sorted({one.change.claim for one in changes}), _ROWS):
        on_record |= claim_rows.load_claims(cur, some, ())
    return settle(on_record, changes)


def _changes(connection: Connection[TupleRow], invoices: Sequence[tuple[str, int]]) -> Iterator[DatedChange]:
    """Yield the claims that change hands by the events of invoices from a version on."""
    numbers = [number for number, _ in invoices]
    _, _, streams, _ = read_history(connection, (), (), numbers)
    for number, first in invoices:
        state = None
        for version, event in enumerate(read_stream(streams[number]), start=1):
            if version >= first:
                yield from (DatedChange(event.occurred_at, change) for change in claim_changes(state, event))
            state = evolve(state, event)


def _decide_lost(
    connection: Connection[TupleRow], cur: Cursor[TupleRow], loss: Loss, moments: Moments, sealing: Sealing
) -> int:
    """Decide the records that were passed and whose answer was lost, since another partition of the log had it."""
    done = processed([one.entry for one in loss.entries])
    lost = [
        record
        for partition, records in sorted(loss.records.items())
        for record in records
        if record.offset not in done[partition]
    ]

    def decide(some: Sequence[KafkaRecord], unwritable: Exception | None) -> None:
        received = [read(record, moments) for record in some]
        memory = load(_OnRecord(connection), received, RecentInvoices(), sealing, again=True)
        answers = (
            [set_aside(one, unwritable, memory) for one in received] if unwritable else answer_batch(received, memory)
        )
        entries = [entry for answer in answers for entry in answer.entries]
        with connection.transaction():
            claim_rows.apply(cur, memory.claims.net())
            parking_rows.apply_queues(cur, memory.grown())
            key_rows.apply_keys(cur, sealing.wrapped(memory.keys), memory.keys.destroyed)
            append(cur, entries, len(loss.last_places), {})

    for some in _portions(lost, _RECORDS):
        whole_or_halves(some, decide)
    return len(lost)


def whole_or_halves(
    records: Sequence[KafkaRecord], decide: Callable[[Sequence[KafkaRecord], Exception | None], None]
) -> None:
    """Decide records together or, as far as they do not fit into one write, in halves, in their order.

    A single record whose outcome PostgreSQL will never take is decided once more with the reason: it is to wait.
    """
    try:
        decide(records, None)
    except Exception as fault:
        if len(records) == 1 and about_content(fault):
            return decide(records, fault)
        if len(records) == 1 or not may_fit_in_part(fault):
            raise
        middle = len(records) // 2
        whole_or_halves(records[:middle], decide)
        whole_or_halves(records[middle:], decide)
    return None


class _OnRecord:
    """What is on record, as the transaction sees it."""

    def __init__(self, connection: Connection[TupleRow]) -> None:
        self._connection = connection

    def history(self, keys: Sequence[UUID], numbers: Collection[str], unknown: Collection[str]) -> Recorded:
        return read_history(self._connection, keys, numbers, unknown)

    def claims(self, claims: Collection[Claim], holds: Collection[tuple[str, str]]) -> dict[Claim, Holder]:
        with self._connection.cursor() as cur:
            return claim_rows.load_claims(cur, claims, holds)


def _moves(loss: Loss) -> Sequence[Move]:
    done = processed([one.entry for one in loss.entries])
    return [
        Move(*partition, was=start, next=max(map(_end, (*loss.records[partition], max(done[partition])))))
        for partition, start in loss.starts.items()
    ]


def _end(of: KafkaRecord | int) -> int:
    """Return the offset behind a record, or behind an offset."""
    return of + 1 if isinstance(of, int) else next_offset(of)


def _portions(items: Iterable[_T], size: int) -> Iterator[tuple[_T, ...]]:
    remaining = iter(items)
    while some := tuple(islice(remaining, size)):
        yield some

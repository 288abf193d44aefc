"""Read models that keep up travel together: each event is read once for all of them, in one transaction a batch.

A consumer group of its own, the leader, reads the topic. A read model that is as far as the leader is taken along, in
the transaction that moves the leader. One that is not, or that fails, is left behind: it reads in its own group until
it has caught up, and is taken along again. So a failure costs the other read models one batch more slowly projected.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from time import time_ns
from typing import Any, NamedTuple

import structlog
from aiokafka import TopicPartition
from psycopg import Connection
from psycopg.errors import LockNotAvailable
from psycopg.rows import TupleRow

from events.catalogue import stored_name
from events.published import Published
from projections.engine import health, parking
from projections.engine.fault_isolation import is_away
from projections.engine.folding import EventsByInvoice, NotAnEvent, by_invoice, read
from projections.engine.health import reason
from projections.engine.live_projection import MAX_TRIES
from projections.engine.parking import ParkedInvoices
from projections.engine.projection import FROZEN_AFTER, ROLE
from projections.engine.read_model import Cur, EventModel, WriteRows
from projections.engine.recent_rows import RecentRows, ask_identities, identities
from projections.engine.sharing import sharing
from transport import positions, spans
from transport.batch import Batch
from transport.clients.postgres import BY_KEY, KeptSession
from transport.positions import GroupPosition, Move, PositionLost
from transport.records import next_offset
from transport.spans import Step

log = structlog.get_logger(__name__)

_LOCK_WITHIN = "2s"
"""How long a locked table may hold up all read models; then the one that it belongs to is left behind."""
_TRANSACTION_WITHIN = "15s"
"""A projector frozen in its transaction holds positions that others wait for. In a pipeline its session does not count
as idle, so that `FROZEN_AFTER` alone would not end it."""

_BYTES_OF_INVOICE, _BYTES_OF_CHARACTER = 4000, 2
"""Bytes of memory that the rows of a new invoice take, and that they grow by with each byte of an event, about."""


@dataclass(frozen=True, slots=True)
class Traveller:
    """A read model that may be taken along. consumer: the name of its positions. code: the fingerprint of its code."""

    name: str
    consumer: str
    model: EventModel
    code: str


class _Readable(NamedTuple):
    """The events of a batch, and where each of them lies.

    by_invoice: the same events. ends: the offset in each partition up to which every record is an event.
    """

    events: Sequence[Published]
    by_invoice: EventsByInvoice
    places: Sequence[tuple[TopicPartition, int]]
    ends: Mapping[TopicPartition, int]


class _Journey(NamedTuple):
    """What a read model does in one transaction. recent: the rows that it need not load, by number of the invoice."""

    traveller: Traveller
    moves: Sequence[Move]
    events: EventsByInvoice
    recent: Mapping[str, Any]


class _FoldedRows(NamedTuple):
    """The rows of a read model with a batch folded in, and how many bytes of memory those take that were loaded."""

    rows: Mapping[str, Any]
    loaded: Mapping[str, int]


class JointProjection:
    """`transport.batch.Work` of the leader."""

    def __init__(
        self,
        database: str,
        *,
        leader: str,
        travellers: Sequence[Traveller],
        committed: Callable[[], None] = lambda: None,
    ) -> None:
        """``leader`` names its positions; ``committed`` is called, in the working thread, after each transaction."""
        self._leader = leader
        self._travellers = travellers
        self._committed = committed
        self._tries = 0
        self._recent = RecentRows(traveller.name for traveller in travellers)
        self._recent_in_doubt = False
        self._session = KeptSession(
            database,
            ROLE,
            idle_in_transaction_session_timeout=FROZEN_AFTER,
            lock_timeout=_LOCK_WITHIN,
            **BY_KEY,
            transaction_timeout=_TRANSACTION_WITHIN,
        )

    def found(self, cur: Cur, partitions: Collection[TopicPartition]) -> None:
        """Record, before anything is written, that this code writes the read models.

        Where nothing has been read yet, all begin together; else those that read alone first would be left behind.
        """
        # Positions that another process moved on and an operator moved back again are where this one has left them.
        self._recent_in_doubt = True
        untouched = [one for one, at in positions.standing(cur, self._leader, partitions).items() if not at.next]
        for traveller in self._travellers:
            positions.stored(cur, traveller.consumer, untouched)
        # Positions first, as in each read model's own group: else the two could wait for each other.
        health.register(cur, _codes(self._travellers))

    def handle(self, batch: Batch) -> None:
        """Project the batch for every read model that has come as far, and move the leader.

        A read model that fails is left behind. Raises: PositionLost, psycopg.Error; nothing more is stored then.
        """
        begun, events = time_ns(), _readable(batch)
        try:
            self._transact(batch, events, self._travellers, lead=True)
        except PositionLost:
            raise
        except Exception as error:
            self._tries += 1
            # A locked table is one read model's; whatever else the database refuses, it may take in a moment.
            if self._tries < MAX_TRIES and is_away(error) and not isinstance(error, LockNotAvailable):
                raise
            log.warning("read_models_separated", records=len(batch.records), why=reason(error))
            self._one_by_one(batch, events)
        spans.record(map(_step, events.events), begun)
        self._tries = 0

    def close(self) -> None:
        """Close the connection once no batch is being projected."""
        self._session.close()

    def _one_by_one(self, batch: Batch, events: _Readable) -> None:
        """Give each read model a transaction of its own, and leave those behind that fail."""
        for traveller in self._travellers:
            try:
                self._transact(batch, events, [traveller], lead=False)
            except PositionLost:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, the read model meets it again on its own
                log.warning("read_model_left_behind", model=traveller.name, why=reason(error))
        self._transact(batch, events, [], lead=True)

    def _transact(self, batch: Batch, events: _Readable, travellers: Sequence[Traveller], *, lead: bool) -> None:
        """Take read models along in one transaction. lead: whether the leader moves too."""
        if self._recent_in_doubt:
            self._recent_in_doubt = False
            self._recent.forget()
        with self._session.use() as connection:
            try:
                with connection.pipeline(), connection.transaction(), sharing():
                    journeys, resumed = self._set_out(connection, batch, events, travellers)
                    folded = _project(connection, journeys)
                    if resumed:
                        health.delete_stops(connection.cursor(), resumed)
                    moves = {journey.traveller.consumer: journey.moves for journey in journeys}
                    leader = {self._leader: batch.moves} if lead else {}
                    positions.advance_together(connection.cursor(), moves | leader)
            except BaseException:
                self._recent.forget()
                # After a rollback in a pipeline the client counts on statements that the server has not prepared.
                connection.close()
                raise
        self._remember(journeys, folded, events.by_invoice)
        self._committed()

    def _remember(self, journeys: Sequence[_Journey], folded: Sequence[_FoldedRows], events: EventsByInvoice) -> None:
        """Remember what has been committed."""
        grown = {number: _bytes_of(of_one) for number, of_one in events.items()}
        for journey, (rows, loaded) in zip(journeys, folded, strict=True):
            self._recent.keep(journey.traveller.name, rows, journey.moves)
            for number, size in loaded.items():
                grown[number] += size
        self._recent.trim(grown)

    def _set_out(
        self, connection: Connection[TupleRow], batch: Batch, events: _Readable, travellers: Sequence[Traveller]
    ) -> tuple[Sequence[_Journey], Collection[tuple[str, TopicPartition]]]:
        """Lock the positions; return who continues, and the partitions where one had stopped. Raises: PositionLost."""
        locked, known, kept_back, named = (connection.cursor() for _ in range(4))
        consumers = [traveller.consumer for traveller in travellers]
        positions.ask_together(locked, self._leader, consumers, batch.partitions())
        # With the positions locked no rebuild can switch the tables, nor retire this code.
        health.ask(known, _codes(travellers))
        parking.ask_parked(kept_back, [traveller.name for traveller in travellers], batch.partitions())
        ask_identities(named, [_table(traveller) for traveller in travellers])
        try:
            at = positions.together(locked)
        except LockNotAvailable as error:
            raise PositionLost(self._leader) from error
        lead = at.get(self._leader, {})
        here = {one for one, position in lead.items() if not position.unread and position.next == batch.starts[one]}
        if not here.issuperset(batch.partitions()):
            raise PositionLost(self._leader)
        stored, parked = health.stored_health(known), parking.stored_parked(kept_back)
        journeys = [
            _without_parked(_journey(traveller, batch, events, at.get(traveller.consumer, {})), parked)
            for traveller in travellers
            if traveller.name not in stored.retired
        ]
        moved = {
            (journey.traveller.name, TopicPartition(move.topic, move.partition))
            for journey in journeys
            for move in journey.moves
        }
        tables = identities(named)
        return [self._recalled(journey, tables) for journey in journeys if journey.moves], stored.stopped & moved

    def _recalled(self, journey: _Journey, tables: Mapping[str, int | None]) -> _Journey:
        """Add the rows that need not be loaded."""
        name, table = journey.traveller.name, tables[_table(journey.traveller)]
        return journey._replace(recent=self._recent.among(name, journey.events, journey.moves, table))


def _table(traveller: Traveller) -> str:
    """Return the first of its tables; a rebuild replaces all of them together."""
    return traveller.model.names()[0]


def _bytes_of(events: Sequence[Published]) -> int:
    begun = _BYTES_OF_INVOICE if events[0].version == 1 else 0
    return begun + _BYTES_OF_CHARACTER * sum(len(one.body) for one in events)


def _step(event: Published) -> Step:
    """Return the step of projecting an event, which follows its publication."""
    name = stored_name(event.type).partition(".")[0]
    return Step("project", name, event.id, event.traceparent, after=("relay", event.id))


def _project(connection: Connection[TupleRow], journeys: Sequence[_Journey]) -> Sequence[_FoldedRows]:
    """Load the rows that are not remembered, fold, and write; return the rows of each read model."""
    answers = [_ask(connection.cursor(), journey) for journey in journeys]
    folded: list[_FoldedRows] = []
    writes: list[WriteRows] = []
    for answer, journey in zip(answers, journeys, strict=True):
        model = journey.traveller.model
        stored = model.rows(answer) if answer else {}
        rows = {**journey.recent, **stored}
        folded.append(_FoldedRows(rows, {number: model.size_of(row) for number, row in stored.items()}))
        writes.append(model.fold(rows, journey.events))
    cur = connection.cursor()
    for write in writes:
        write(cur)
    return folded


def _ask(answer: Cur, journey: _Journey) -> Cur | None:
    """Ask for the rows that are not remembered; return what will hold them, where there are any."""
    if not (missing := [number for number in journey.events if number not in journey.recent]):
        return None
    journey.traveller.model.ask(answer, missing)
    return answer


def _journey(
    traveller: Traveller, batch: Batch, readable: _Readable, at: Mapping[TopicPartition, GroupPosition]
) -> _Journey:
    """Return how a read model continues from its positions: one that is ahead skips what it has."""
    starts = {
        partition: one.next
        for partition, one in at.items()
        if not one.unread and batch.starts[partition] <= one.next < readable.ends[partition]
    }
    moves = [Move(*partition, was=start, next=readable.ends[partition]) for partition, start in starts.items()]
    if all(starts.get(partition) == batch.starts[partition] for partition in readable.ends):
        return _Journey(traveller, moves, readable.by_invoice, {})
    events = [
        event
        for event, (partition, offset) in zip(readable.events, readable.places, strict=True)
        if offset >= starts.get(partition, offset + 1)
    ]
    return _Journey(traveller, moves, by_invoice(events), {})


def _without_parked(journey: _Journey, parked: ParkedInvoices) -> _Journey:
    """Leave out the events of invoices that this read model has parked."""
    if not parked:
        return journey
    name = journey.traveller.name
    return journey._replace(events={one: of_it for one, of_it in journey.events.items() if (name, one) not in parked})


def _readable(batch: Batch) -> _Readable:
    """Read the records up to the first of each partition that is not an event: there every read model stops."""
    events: list[Published] = []
    places: list[tuple[TopicPartition, int]] = []
    ends: dict[TopicPartition, int] = {}
    closed: set[TopicPartition] = set()
    for record in batch.records:
        partition = TopicPartition(record.topic, record.partition)
        if partition in closed:
            continue
        try:
            events.append(read(record))
        except NotAnEvent as error:
            log.warning("read_models_left_behind", why=str(error))
            closed.add(partition)
            ends.setdefault(partition, batch.starts[partition])
        else:
            places.append((partition, record.offset))
            ends[partition] = next_offset(record)
    return _Readable(events, by_invoice(events), places, ends)


def _codes(travellers: Sequence[Traveller]) -> Mapping[str, str]:
    return {traveller.name: traveller.code for traveller in travellers}

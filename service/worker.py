"""The worker: reads the four command topics, decides batch by batch, and writes each batch in one transaction."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from itertools import chain

import structlog
from aiokafka import TopicPartition

from events.cloudevents import Envelope
from events.faults import Fault, Faults
from events.topics import Channel
from rules.calendar import MAINLAND_CHINA
from service.deciding import Batch, fold, log_dead_letter, log_decision
from service.inbox import Received, Unreadable, read
from service.invoice.claims import Overlay, held, named
from service.invoice.moment import Policy
from service.log_tables import DeadLetterRow
from service.moments import Moments
from service.store import CONSUMER, Conflict, Store, Write, read_stream
from transport import consumer
from transport.addresses import Addresses
from transport.database import about_content
from transport.positions import Move
from transport.stepping import Record

log = structlog.get_logger(__name__)

MOST_TRIES = 20
"""Times a batch is decided before a conflict that does not go away is taken for a fault of ours."""
MOST = 500
"""Records decided in one transaction."""


class Deciding:
    """The worker's work on one batch: read, load, decide, write."""

    def __init__(self, store: Store, moments: Moments) -> None:
        self._store = store
        self._moments = moments

    def positions(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Return where the worker stands."""
        return self._store.positions(partitions)

    def handle(self, batch: consumer.Batch) -> None:
        """Decide the batch and write all of it.

        Raises: PositionLost. A fault of ours in writing is narrowed down to its record, which becomes a dead letter.
        """
        try:
            self._handle([_read(record) for record in batch.records], batch.moves)
        except Exception as fault:
            if not (about_content(fault) or isinstance(fault, Conflict)):
                raise
            log.exception("fault in writing a batch", records=len(batch.records))
            if len(batch.records) == 1:
                return self._bury(batch, fault)
            for half in batch.halves():
                self.handle(half)
        return None

    def _handle(self, records: Sequence[Received | Unreadable], moves: Sequence[Move]) -> None:
        for tries_left in reversed(range(MOST_TRIES)):
            try:
                return self._save(self._decide(records), moves)
            except Conflict as conflict:
                log.info("decided again: an invoice or a claim changed meanwhile", cause=str(conflict))
                if not tries_left:
                    raise
        return None

    def _save(self, decided: Batch, moves: Sequence[Move]) -> None:
        self._store.save(Write(decided.entries, decided.claims.net(), moves))
        for entry in decided.entries:
            if isinstance(entry, DeadLetterRow):
                log_dead_letter(entry)
        for reply, correlation in decided.decisions:
            log_decision(reply, correlation)

    def _bury(self, batch: consumer.Batch, fault: Exception) -> None:
        decided = Batch({}, {}, Overlay({}), self._moments)
        for record in batch.records:
            decided.bury(_read(record), fault)
        self._save(decided, batch.moves)

    def _decide(self, records: Sequence[Received | Unreadable]) -> Batch:
        batch = self._load([record for record in records if isinstance(record, Received)])
        for record in records:
            batch.take(record)
        return batch

    def _load(self, received: Sequence[Received]) -> Batch:
        """Load what the batch is decided on: earlier replies, invoices, and then the claims they bear on."""
        numbers = {record.command.invoice_number for record in received}
        earlier, stored = self._store.history([record.key for record in received], numbers)
        streams = {number: fold(read_stream(events)) for number, events in stored.items()}
        wanted = [named(record.command) for record in received]
        own = [held(stream.state) for stream in streams.values() if stream.state is not None]
        claims = set(chain.from_iterable(chain((name.claims for name in wanted), own)))
        holds = set(chain.from_iterable(name.holds for name in wanted))
        return Batch(streams, earlier, Overlay(self._store.claims(claims, holds)), self._moments)


async def run(addresses: Addresses, *, clock_shift: timedelta, policy: Policy) -> None:
    """Work until cancelled."""
    store = Store(addresses.database)
    try:
        await consumer.consume(
            addresses,
            group=CONSUMER,
            topics=[channel.value for channel in Channel],
            work=Deciding(store, Moments(clock_shift, MAINLAND_CHINA, policy)),
            most=MOST,
        )
    finally:
        store.close()


def _read(record: Record) -> Received | Unreadable:
    try:
        return read(record)
    except Exception as fault:
        log.exception("fault in reading a record", topic=record.topic, partition=record.partition, offset=record.offset)
        return Unreadable(record, "FAULT", Faults(Fault("data", repr(fault))), Envelope())

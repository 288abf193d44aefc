"""The worker: reads the four command topics, decides batch by batch, and writes each batch in one transaction."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import chain

import structlog

from events.cloudevents import Envelope
from events.faults import Fault, Faults
from events.topics import Channel
from rules.calendar import MainlandChina
from service.invoice.claim_changes import claims_held
from service.invoice.claim_rules import needed_by
from service.invoice.moment import Policy
from service.invoice.overlay import Overlay
from service.store.rehearsal import harmless
from service.store.rows import DeadLetterRow
from service.store.writing import CONSUMER, Conflict, Store, TooMuchToWrite, Write, read_stream
from service.worker.deciding import Batch, fold, log_dead_letter, log_decision
from service.worker.moments import Moments
from service.worker.reading import Received, Unreadable, read
from transport import consumer
from transport.addresses import Addresses
from transport.clients.postgres import about_content
from transport.positions import Move
from transport.records import KafkaRecord, Undecodable

log = structlog.get_logger(__name__)

MOST_TRIES = 20
"""Times a batch is decided in a row before a conflict that does not go away is left for a later try."""
MOST = 500
"""Records decided in one transaction."""
MOST_BYTES = 8 << 20
"""Bytes of values and headers in one transaction, unless a single record has more."""
MOST_CLAIMS = 5_000
"""Claims that the decisions of one transaction bear on, unless a single record bears on more."""


class Deciding:
    """The worker's work on one batch: read, load, decide, write."""

    def __init__(self, store: Store, moments: Moments) -> None:
        self._store = store
        self._moments = moments

    def handle(self, batch: consumer.Batch) -> None:
        """Decide the batch and write all of it, in as many transactions as it takes.

        A record whose values PostgreSQL will never take becomes a dead letter. Raises: PositionLost; ProgramTooOld;
        Conflict and psycopg's errors for troubles of the surroundings, which are never held against a record.
        """
        single = len(batch.records) == 1
        try:
            if not single and _size(batch) > MOST_BYTES:
                raise TooMuchToWrite  # noqa: TRY301 - one way to split
            self._handle([_read(record) for record in batch.records], batch.moves)
        except Exception as fault:
            if single and about_content(fault):
                return self._bury(batch, fault)
            if single or not _may_fit_in_part(fault):
                raise
            log.warning("a batch is written in halves", records=len(batch.records), reason=repr(fault))
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
        """Make a dead letter of a batch's only record, once it has been shown that the fault is not elsewhere."""
        self._store.rehearse(harmless(self._moments.time(batch.records[0]), batch.moves))
        log.error("a record cannot be written", exc_info=fault)
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
        """Load what the batch is decided on: earlier replies, invoices, and then the claims they bear on.

        Raises: ProgramTooOld, TooMuchToWrite, psycopg's errors.
        """
        numbers = {record.command.invoice_number for record in received}
        earlier, stored = self._store.history([record.key for record in received], numbers)
        streams = {number: fold(read_stream(events)) for number, events in stored.items()}
        wanted = [needed_by(record.command) for record in received]
        own = [claims_held(stream.state) for stream in streams.values() if stream.state is not None]
        claims = set(chain.from_iterable(chain((name.claims for name in wanted), own)))
        if len(claims) > MOST_CLAIMS and len(received) > 1:
            raise TooMuchToWrite
        holds = set(chain.from_iterable(name.holds for name in wanted))
        return Batch(streams, earlier, Overlay(self._store.claims(claims, holds)), self._moments)


async def run(addresses: Addresses, *, clock_shift: timedelta, calendar: MainlandChina, policy: Policy) -> None:
    """Work until cancelled. Raises: ProgramTooOld, once the partitions have been left to others."""
    store = Store(addresses.database)
    deciding = Deciding(store, Moments(clock_shift, calendar, policy))
    topics = [channel.value for channel in Channel]
    try:
        await consumer.consume(addresses, group=CONSUMER, topics=topics, work=deciding, most=MOST)
    finally:
        store.close()


def _size(batch: consumer.Batch) -> int:
    """Return the bytes of the values and headers of a batch."""
    read = [record for record in batch.records if not isinstance(record, Undecodable)]
    values = sum(len(record.value or b"") for record in read)
    return values + sum(len(name) + len(value or b"") for record in read for name, value in record.headers)


def _may_fit_in_part(fault: Exception) -> bool:
    """Tell whether a part of the batch may be written although the whole was not."""
    return isinstance(fault, TooMuchToWrite) or about_content(fault)


def _read(record: KafkaRecord) -> Received | Unreadable:
    try:
        return read(record)
    except Exception as fault:
        log.exception("fault in reading a record", topic=record.topic, partition=record.partition, offset=record.offset)
        return Unreadable(record, "FAULT", Faults(Fault("data", repr(fault))), Envelope())

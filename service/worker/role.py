"""The worker: reads the four command topics, decides batch by batch, and writes each batch in one transaction."""

from collections.abc import Sequence
from datetime import timedelta

import structlog

from events.cloudevents import Envelope
from events.faults import Fault, Faults
from events.names import WORKER_GROUP
from events.replies import AnyReply, CommandAccepted, CommandRefused, is_alarming
from events.stored import WrittenByNewerRelease
from events.topics import Channel
from rules.calendar import MainlandChina
from service.invoice.moment import Policy
from service.invoice.overlay import Overlay, WrongHolder
from service.log.entries import DeadLetterEntry
from service.store.event_store import Store
from service.store.newer import too_old
from service.store.write import Conflict, TooMuchToWrite, Write
from service.worker.deciding import Decisions
from service.worker.memory import load
from service.worker.moments import Moments
from service.worker.reading import Received, Unreadable, read
from transport import consumer
from transport.addresses import Addresses
from transport.batch import Batch
from transport.clients.postgres import about_content
from transport.positions import Move
from transport.records import KafkaRecord, Undecodable

log = structlog.get_logger(__name__)

MAX_DECIDING_TRIES = 20
"""Times a batch is decided in a row before a conflict that does not go away is left for a later try."""
MAX_BATCH_RECORDS = 500
"""Records decided in one transaction."""
MAX_BATCH_BYTES = 8 << 20
"""Bytes of values and headers in one transaction, unless a single record has more."""


class CommandWork:
    """The worker's work on one batch: read, load, decide, write."""

    def __init__(self, store: Store, moments: Moments) -> None:
        self._store = store
        self._moments = moments

    def handle(self, batch: Batch) -> None:
        """Decide the batch and write all of it, in as many transactions as it takes.

        A record whose values PostgreSQL will never take becomes a dead letter. Raises: PositionLost; ProgramTooOld;
        Conflict and psycopg's errors for troubles of the surroundings, which are never held against a record.
        """
        single = len(batch.records) == 1
        try:
            if not single and _size(batch) > MAX_BATCH_BYTES:
                raise TooMuchToWrite  # noqa: TRY301 - one way to split
            self._handle([_read(record) for record in batch.records], batch.moves)
        except Exception as fault:
            if single and about_content(fault):
                return self._bury(batch, fault)
            if single or not _may_fit_in_part(fault):
                raise
            log.warning("batch_halved", records=len(batch.records), reason=repr(fault))
            for half in batch.halves():
                self.handle(half)
        return None

    def _handle(self, records: Sequence[Received | Unreadable], moves: Sequence[Move]) -> None:
        for tries_left in reversed(range(MAX_DECIDING_TRIES)):
            try:
                return self._save(self._decide(records), moves)
            except Conflict as conflict:
                log.info("batch_decided_again", cause=str(conflict))
                if not tries_left:
                    raise
        return None

    def _save(self, decisions: Decisions, moves: Sequence[Move]) -> None:
        for incident in decisions.incidents:
            log.error(incident.key, exc_info=incident.fault, **incident.facts)
        self._store.save(Write(decisions.entries, decisions.claims.net(), moves))
        for entry in decisions.entries:
            if isinstance(entry, DeadLetterEntry):
                log_dead_letter(entry)
        for reply, correlation in decisions.replies:
            log_reply(reply, correlation)

    def _bury(self, batch: Batch, fault: Exception) -> None:
        """Make a dead letter of a batch's only record, once it has been shown that the fault is not elsewhere."""
        self._store.rehearse(self._moments.time(batch.records[0]), batch.moves)
        log.error("record_not_writable", exc_info=fault)
        decisions = Decisions({}, {}, Overlay({}), self._moments)
        for record in batch.records:
            decisions.bury(_read(record), fault)
        self._save(decisions, batch.moves)

    def _decide(self, records: Sequence[Received | Unreadable]) -> Decisions:
        decisions = load(self._store, [record for record in records if isinstance(record, Received)], self._moments)
        try:
            for record in records:
                decisions.take(record)
        except WrongHolder as rival:
            raise Conflict(str(rival)) from rival
        except WrittenByNewerRelease as newer:
            raise too_old(newer) from newer
        return decisions


def log_dead_letter(row: DeadLetterEntry) -> None:
    """Log where a dead letter came from and why, and nothing of what it says."""
    log.warning("dead_letter", reason=row.reason, topic=row.topic, partition=row.partition, offset=row.offset)


def log_reply(reply: AnyReply, correlation: str) -> None:
    """Log one decision; names, numbers and codes only, never what a body says."""
    log.info(
        "accepted" if isinstance(reply, CommandAccepted) else reply.code,
        command=reply.command_type,
        command_id=reply.command_id,
        invoice=reply.invoice_number,
        version=reply.invoice_version,
        correlation_id=correlation,
    )
    if isinstance(reply, CommandRefused) and is_alarming(reply.command_type, reply.code):
        log.error("alarming_refusal", why=reply.code, command=reply.command_type, invoice=reply.invoice_number)


async def run(addresses: Addresses, *, clock_shift: timedelta, calendar: MainlandChina, policy: Policy) -> None:
    """Work until cancelled. Raises: ProgramTooOld, once the partitions have been left to others."""
    store = Store(addresses.database)
    work = CommandWork(store, Moments(clock_shift, calendar, policy))
    topics = [channel.value for channel in Channel]
    try:
        await consumer.consume(addresses, group=WORKER_GROUP, topics=topics, work=work, max_records=MAX_BATCH_RECORDS)
    finally:
        store.close()


def _size(batch: Batch) -> int:
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
        log.exception("record_not_read", topic=record.topic, partition=record.partition, offset=record.offset)
        return Unreadable(record, "FAULT", Faults(Fault("data", repr(fault))), Envelope())

"""The worker's work on one batch: read, load, answer, write."""

from collections.abc import Sequence
from time import monotonic, time_ns

import structlog
from aiokafka import TopicPartition

from events.upcasting import WrittenByNewerRelease
from service.invoice.claim_overlay import WrongHolder
from service.store.event_store import Store
from service.store.newer_releases import too_old
from service.store.write import Conflict, LogStopped, TooMuchToWrite, Write, may_fit_in_part
from service.worker.answering import answer_batch, set_aside
from service.worker.batch_logging import COMMIT_SECONDS, DECISION_SECONDS, log_batch
from service.worker.decision_steps import record_batch
from service.worker.loading import load
from service.worker.memory import Memory
from service.worker.moments import Moments
from service.worker.outcomes import RecordAnswer
from service.worker.reading import read
from service.worker.recent_invoices import RecentInvoices
from service.worker.sealing import NOT_SEALING, Sealing
from transport.batch import Batch, PartitionsStopped
from transport.clients.postgres import about_content
from transport.partitioning import partition_of
from transport.positions import Move
from transport.records import Undecodable, key_of, size_of

log = structlog.get_logger(__name__)

MAX_DECIDING_TRIES = 20
"""Times a batch is decided in a row before a conflict that does not go away is left for a later try."""
MAX_BATCH_BYTES = 8 << 20
"""Bytes of records in one transaction, unless a single record has more."""


class CommandWork:
    """Answers batches of commands."""

    def __init__(self, store: Store, moments: Moments, sealing: Sealing = NOT_SEALING) -> None:
        self._store = store
        self._moments = moments
        self._sealing = sealing
        self._recent = RecentInvoices()
        self._session = 0

    def handle(self, batch: Batch) -> None:
        """Answer the batch and write all of it, in as many transactions as it takes.

        A command whose outcome PostgreSQL will never take parks its invoice. Raises: PositionLost; ProgramTooOld;
        PartitionsStopped where the log is stopped; Conflict and psycopg's errors for troubles of the surroundings,
        which are never held against a record.
        """
        parts, stopped = [batch], frozenset[TopicPartition]()
        while parts:
            part = parts.pop()
            part = part.of(set(part.partitions()) - stopped) if stopped else part
            if part.records:
                try:
                    parts += reversed(self._answer_or_halve(part))
                except LogStopped as refused:
                    log.error("deciding_stopped", why=str(refused), see="redletter check")  # noqa: TRY400 - the reason says all
                    stopped |= self._stopped(part, refused)
                    parts.append(part)
        if stopped:
            raise PartitionsStopped(stopped)

    def _answer_or_halve(self, part: Batch) -> Sequence[Batch]:
        """Answer a part of a batch, or return its halves where it may be written in part only."""
        single = len(part.records) == 1
        try:
            if not single and _size(part) > MAX_BATCH_BYTES:
                raise TooMuchToWrite  # noqa: TRY301 - one way to split
            self._answer(part)
        except Exception as fault:
            if single and about_content(fault):
                self._set_aside(part, fault)
            elif single or not may_fit_in_part(fault):
                raise
            else:
                log.warning("batch_halved", records=len(part.records), reason=repr(fault))
                return part.halves()
        return ()

    def _stopped(self, part: Batch, refused: LogStopped) -> frozenset[TopicPartition]:
        """Return the partitions whose records lead to entries in stopped partitions of the log."""
        count = self._store.log_partitions
        found = frozenset(
            TopicPartition(record.topic, record.partition)
            for record in part.records
            if partition_of(key_of(record), record.partition, count) in refused.reasons
        )
        return found or frozenset(part.partitions())

    def _answer(self, batch: Batch, unwritable: Exception | None = None) -> None:
        """Read the records, and decide them until no rival writes in between.

        unwritable: why what the batch's only record leads to cannot be written.
        """
        begun, read_at = monotonic(), time_ns()
        records = [read(record, self._moments) for record in batch.records]
        for tries_left in reversed(range(MAX_DECIDING_TRIES)):
            try:
                self._begin()
                with DECISION_SECONDS.time():
                    again = tries_left < MAX_DECIDING_TRIES - 1
                    memory = load(self._store, records, self._recent, self._sealing, again=again)
                    if unwritable:
                        answers = [set_aside(record, unwritable, memory) for record in records]
                    else:
                        answers = answer_batch(records, memory)
                decided_at = time_ns()
                with COMMIT_SECONDS.time():
                    self._save(answers, memory, batch.moves)
                record_batch(answers, read_at, decided_at)
                return log_batch(answers, monotonic() - begun)
            except (Conflict, WrongHolder) as rival:
                self._recent.forget()
                log.info("batch_decided_again", cause=str(rival))
                if not tries_left:
                    raise Conflict(str(rival)) from rival
            except WrittenByNewerRelease as newer:
                raise too_old(newer) from newer
        return None

    def _begin(self) -> None:
        """Forget what was loaded over an earlier session: the server behind this one may have lost it."""
        if (session := self._store.session) != self._session:
            self._recent, self._session = RecentInvoices(), session

    def _save(self, answers: Sequence[RecordAnswer], memory: Memory, moves: Sequence[Move]) -> None:
        entries = [entry for answer in answers for entry in answer.entries]
        write = Write(
            entries,
            memory.claims.net(),
            moves,
            memory.grown(),
            self._recent.last_places,
            self._session,
            self._sealing.wrapped(memory.keys),
            memory.keys.destroyed,
        )
        self._recent.keep(memory.streams, self._store.save(write))

    def _set_aside(self, batch: Batch, fault: Exception) -> None:
        """Let a batch's only record wait, once it has been shown that the fault is not elsewhere."""
        (record,) = batch.records
        self._store.rehearse(self._moments.time(record), batch.moves)
        log.error("record_not_writable", exc_info=fault)
        self._answer(batch, unwritable=fault)


def _size(batch: Batch) -> int:
    """Return the bytes of the records of a batch."""
    return sum(size_of(record) for record in batch.records if not isinstance(record, Undecodable))

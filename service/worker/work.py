"""The worker's work on one batch: read, load, answer, write."""

from collections.abc import Sequence
from time import monotonic

import structlog

from events.stored import WrittenByNewerRelease
from service.invoice.claims import ClaimChange
from service.invoice.overlay import WrongHolder
from service.store.event_store import Store
from service.store.newer_releases import too_old
from service.store.write import Conflict, TooMuchToWrite, Write
from service.worker.answering import answer_batch
from service.worker.decision_log import log_batch
from service.worker.loading import load
from service.worker.moments import Moments
from service.worker.reading import Received, read
from service.worker.replies import RecordAnswer, bury
from transport.batch import Batch
from transport.clients.postgres import about_content
from transport.positions import Move
from transport.records import Undecodable, size_of

log = structlog.get_logger(__name__)

MAX_DECIDING_TRIES = 20
"""Times a batch is decided in a row before a conflict that does not go away is left for a later try."""
MAX_BATCH_BYTES = 8 << 20
"""Bytes of records in one transaction, unless a single record has more."""


class CommandWork:
    """Answers batches of commands."""

    def __init__(self, store: Store, moments: Moments) -> None:
        self._store = store
        self._moments = moments

    def handle(self, batch: Batch) -> None:
        """Answer the batch and write all of it, in as many transactions as it takes.

        A record whose values PostgreSQL will never take becomes a dead letter. Raises: PositionLost; ProgramTooOld;
        Conflict and psycopg's errors for troubles of the surroundings, which are never held against a record.
        """
        parts = [batch]
        while parts:
            part = parts.pop()
            single = len(part.records) == 1
            try:
                if not single and _size(part) > MAX_BATCH_BYTES:
                    raise TooMuchToWrite  # noqa: TRY301 - one way to split
                self._answer(part)
            except Exception as fault:
                if single and about_content(fault):
                    self._bury(part, fault)
                elif single or not _may_fit_in_part(fault):
                    raise
                else:
                    log.warning("batch_halved", records=len(part.records), reason=repr(fault))
                    parts += reversed(part.halves())

    def _answer(self, batch: Batch) -> None:
        """Read the records, and decide them until no rival writes in between."""
        begun = monotonic()
        records = [read(record, self._moments) for record in batch.records]
        received = [record for record in records if isinstance(record, Received)]
        for tries_left in reversed(range(MAX_DECIDING_TRIES)):
            try:
                memory = load(self._store, received)
                answers = answer_batch(records, memory)
                self._save(answers, memory.claims.net(), batch.moves)
                return log_batch(answers, monotonic() - begun)
            except (Conflict, WrongHolder) as rival:
                log.info("batch_decided_again", cause=str(rival))
                if not tries_left:
                    raise Conflict(str(rival)) from rival
            except WrittenByNewerRelease as newer:
                raise too_old(newer) from newer
        return None

    def _save(self, answers: Sequence[RecordAnswer], claims: Sequence[ClaimChange], moves: Sequence[Move]) -> None:
        self._store.save(Write([entry for answer in answers for entry in answer.entries], claims, moves))

    def _bury(self, batch: Batch, fault: Exception) -> None:
        """Make a dead letter of a batch's only record, once it has been shown that the fault is not elsewhere."""
        begun = monotonic()
        (record,) = [read(record, self._moments) for record in batch.records]
        self._store.rehearse(record.time, batch.moves)
        log.error("record_not_writable", exc_info=fault)
        answers = [bury(record, fault)]
        self._save(answers, [], batch.moves)
        log_batch(answers, monotonic() - begun)


def _size(batch: Batch) -> int:
    """Return the bytes of the records of a batch."""
    return sum(size_of(record) for record in batch.records if not isinstance(record, Undecodable))


def _may_fit_in_part(fault: Exception) -> bool:
    """Say whether a part of the batch may be written although the whole was not."""
    return isinstance(fault, TooMuchToWrite) or about_content(fault)

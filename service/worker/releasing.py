"""Releasing a parked invoice: its commands are decided in the order in which they wait, or given up."""

from collections.abc import Callable, Sequence
from itertools import takewhile
from time import monotonic
from typing import NamedTuple

from events.upcasting import WrittenByNewerRelease
from service.invoice.claim_overlay import WrongHolder
from service.store.event_store import Store
from service.store.newer_releases import too_old
from service.store.write import Conflict, Write, may_fit_in_part
from service.worker.answering import answer_batch, give_up_batch
from service.worker.batch_logging import log_batch
from service.worker.loading import load
from service.worker.memory import Memory
from service.worker.moments import Moments
from service.worker.outcomes import RecordAnswer, announce_release, bounded_error
from service.worker.reading import Received, Unreadable, read
from service.worker.recent_invoices import RecentInvoices
from service.worker.sealing import COMMON, NOT_SEALING, Sealing, opened_record
from transport.clients.postgres import about_content

MAX_PORTION = 100
"""Commands decided in one transaction."""
MAX_RELEASING_TRIES = 50
"""Times in a row that a portion is decided while workers keep adding commands to the queue."""

AnswerAll = Callable[[Sequence[Received | Unreadable], Memory], Sequence[RecordAnswer]]


class Emptied(NamedTuple):
    """What has become of a queue. answered: commands that have left it. error: why the others still wait."""

    answered: int
    error: str | None = None


class Releasing:
    """Empties the queues of parked invoices, whether workers are running or not."""

    def __init__(self, store: Store, moments: Moments, sealing: Sealing = NOT_SEALING) -> None:
        self._store = store
        self._moments = moments
        self._sealing = sealing

    def release(self, number: str) -> Emptied:
        """Decide the waiting commands of an invoice in their order, each as a worker does.

        One that cannot be decided or written stays, with all behind it. Each leaves the queue in the transaction of its
        answer, so that nothing is lost or repeated wherever the process is killed. Raises: Conflict while others keep
        changing the queue; ProgramTooOld; psycopg's errors.
        """
        return self._empty(number, answer_batch, None)

    def discard(self, number: str, reason: str) -> Emptied:
        """Refuse the waiting commands of an invoice with INTERNAL_FAULT. reason: for the notices.

        Raises: as `release`.
        """
        return self._empty(number, give_up_batch, reason)

    def _empty(self, number: str, answer_all: AnswerAll, discarded: str | None) -> Emptied:
        answered, most, tries_left = 0, MAX_PORTION, MAX_RELEASING_TRIES
        while True:
            try:
                done = self._answer_first(number, most, answer_all, discarded)
            except (Conflict, WrongHolder) as rival:
                tries_left -= 1
                if not tries_left:
                    raise Conflict(str(rival)) from rival
            except WrittenByNewerRelease as newer:
                raise too_old(newer) from newer
            except Exception as fault:
                if most > 1 and may_fit_in_part(fault):
                    most //= 2
                elif about_content(fault):
                    return Emptied(answered, bounded_error(repr(fault)))
                else:
                    raise
            else:
                answered, tries_left = answered + done.answered, MAX_RELEASING_TRIES
                if done.error or not done.answered:
                    return Emptied(answered, done.error)

    def _answer_first(self, number: str, most: int, answer_all: AnswerAll, discarded: str | None) -> Emptied:
        """Answer the first commands of a queue in one transaction, up to one that cannot be answered."""
        begun, session = monotonic(), self._store.session
        version, waiting = self._store.first_waiting(number, most)
        if not waiting:
            return Emptied(0)
        keys = self._sealing.keys(self._store.keys([number, COMMON])).found
        records = [read(opened_record(command.record, keys), self._moments) for command in waiting]
        memory = load(self._store, records, RecentInvoices(), self._sealing, again=True)
        queue = memory.queues.pop(number, None)
        memory.queues.clear()  # of two invoices whose commands wait under one id, the one released first has it
        if queue is None or queue.version != version:
            msg = "the queue has changed since it was read"
            raise Conflict(msg)
        answers = [
            answer._replace(entries=(*announce_release(record, number, command, discarded), *answer.entries))
            for answer, record, command in zip(answer_all(records, memory), records, waiting, strict=True)
        ]
        done = list(takewhile(lambda answer: not answer.waits, answers))
        queue.remove(waiting[: len(done)])
        error = memory.queues[number].error if number in memory.queues else None
        if done or error != queue.error:
            queue.error = error or queue.error
            entries = [entry for answer in done for entry in answer.entries]
            self._store.save(
                Write(
                    entries,
                    memory.claims.net(),
                    (),
                    {number: queue},
                    session=session,
                    keys_made=self._sealing.wrapped(memory.keys),
                    keys_destroyed=memory.keys.destroyed,
                )
            )
            log_batch(done, monotonic() - begun)
        return Emptied(len(done), error)

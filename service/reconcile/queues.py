"""The queues of parked invoices, rebuilt: what was answered has left them, what was parked waits in them."""

from collections.abc import Collection, Mapping, Sequence
from itertools import chain, takewhile

from psycopg import Cursor
from psycopg.rows import TupleRow

from events.notices import CommandParked, reply_of
from events.replies import record_of
from service.log.entries import DeadLetterEntry, NoticeEntry, ReplyEntry
from service.log.parking import Queue, WaitingCommand
from service.reconcile.loss import Loss, record_behind
from service.reconcile.published import CannotRebuild
from service.store import key_rows, parking_rows
from service.worker.moments import Moments
from service.worker.reading import Received, read
from service.worker.sealing import COMMON, Keys, Sealing, sealed_record
from transport.records import KafkaRecord

_ERROR = "parked before the log was rebuilt: the error is in the worker's logs of then"
_RecordPlace = tuple[str, int, int]
"""Topic, partition and offset."""


def rebuilt_queues(cur: Cursor[TupleRow], loss: Loss, moments: Moments, sealing: Sealing) -> Mapping[str, Queue]:
    """Return the queues that changed, as they are now. Raises: CannotRebuild."""
    entries = [one.entry for one in loss.entries]
    answered = {record_behind(entry) for entry in entries if isinstance(entry, ReplyEntry | DeadLetterEntry)}
    parked = [entry for entry in entries if isinstance(entry, NoticeEntry) and _waits(entry, answered)]
    left = _left(cur, answered)
    numbers = sorted({*left, *(entry.invoice_number for entry in parked)})
    queues = parking_rows.queues_of(cur.execute(parking_rows.QUEUES, (numbers, [])).fetchall())
    for number, commands in left.items():
        queues[number].remove(commands)
    records = {(one.topic, one.partition, one.offset): one for one in chain.from_iterable(loss.records.values())}
    found = sealing.keys(key_rows.load_keys(cur, [*numbers, COMMON])).found
    keys = Keys(sealing.on and COMMON in found, found)
    for entry in parked:
        queue = queues.setdefault(entry.invoice_number, Queue(_ERROR))
        received = _received(entry, records, moments)
        record = sealed_record(received.record, keys.for_other(entry.invoice_number))
        _let_wait(queue, entry, received._replace(record=record))
    return queues


def _waits(entry: NoticeEntry, answered: Collection[_RecordPlace | None]) -> bool:
    return not entry.answered and record_behind(entry) not in answered


def _left(cur: Cursor[TupleRow], answered: Collection[_RecordPlace | None]) -> dict[str, Sequence[WaitingCommand]]:
    """Return the commands that wait in the queues on record, and were answered since."""
    found: dict[str, Sequence[WaitingCommand]] = {}
    for number in parking_rows.numbers_of(cur, list(filter(None, answered))):
        _, commands = parking_rows.read_first(cur, number, len(answered))
        places = ((command, command.record) for command in commands)
        gone = takewhile(lambda one: (one[1].topic, one[1].partition, one[1].offset) in answered, places)
        if some := [command for command, _ in gone]:
            found[number] = some
    return found


def _received(entry: NoticeEntry, records: Mapping[_RecordPlace, KafkaRecord], moments: Moments) -> Received:
    record = records.get(record_of(reply_of(entry.id)))
    received = record and read(record, moments)
    if not isinstance(received, Received):
        msg = f"a command of {entry.invoice_number} waits, and its record is no longer on its topic: {entry.id}"
        raise CannotRebuild(msg)
    return received


def _let_wait(queue: Queue, entry: NoticeEntry, received: Received) -> None:
    """Let the command of a notice wait in the place that this announced."""
    waiting = queue.add(received.key, received.id, received.source, received.type, received.record)
    queue.last_place = CommandParked.model_validate_json(entry.value).place
    queue.added[-1] = waiting._replace(place=queue.last_place)

"""A batch, answered: each record on what the ones before it left, and none spoiling another. Pure."""

from collections.abc import Iterable

from events.commands import EraseInvoice
from events.upcasting import WrittenByNewerRelease
from service.invoice.refusals import refuse
from service.log.entries import ReplyEntry
from service.log.parking import Queue
from service.worker.deciding import Refused, Waits, answer_known, decide_command, wait
from service.worker.memory import Memory
from service.worker.outcomes import RecordAnswer, announce_waiting, answer_command, bounded_error, unreadable
from service.worker.reading import Received, Unreadable
from service.worker.sealing import sealed_record


def answer_batch(records: Iterable[Received | Unreadable], memory: Memory) -> list[RecordAnswer]:
    """Answer records in their order.

    A command that cannot be decided parks its invoice: it waits, and with it all later ones of the invoice.
    Raises: WrongHolder when what was loaded does not fit together, since a rival wrote in between;
    WrittenByNewerRelease when a newer release has replied to one of these ids before.
    """
    return [
        _bury(record, memory) if isinstance(record, Unreadable) else _answer_next(record, memory) for record in records
    ]


def set_aside(record: Received | Unreadable, fault: Exception, memory: Memory) -> RecordAnswer:
    """Let a command wait that the program failed on, and park its invoice; what is no command is buried."""
    if isinstance(record, Unreadable):
        return _bury(record, memory)
    new = Queue(bounded_error(repr(fault)))
    decided = wait(record, memory.queues.setdefault(record.command.invoice_number, new))
    if isinstance(decided, Refused):
        return answer_command(record, decided)
    return _let_wait(record, decided, memory, fault)


def give_up_batch(records: Iterable[Received | Unreadable], memory: Memory) -> list[RecordAnswer]:
    """Refuse commands with INTERNAL_FAULT, which uses no id up; a repeat gets the first reply again.

    Raises: WrittenByNewerRelease.
    """
    return [_bury(record, memory) if isinstance(record, Unreadable) else _give_up(record, memory) for record in records]


def _bury(record: Unreadable, memory: Memory) -> RecordAnswer:
    return unreadable(record, memory.keys.for_other(record.invoice_number))


def _give_up(received: Received, memory: Memory) -> RecordAnswer:
    refused = Refused(refuse("INTERNAL_FAULT"))
    try:
        return answer_command(received, answer_known(received, memory) or refused)
    except WrittenByNewerRelease:
        raise
    except Exception:  # noqa: BLE001 - an earlier reply that cannot be read is the fault that this is about
        return answer_command(received, refused)


def _answer_next(received: Received, memory: Memory) -> RecordAnswer:
    """Answer a command, and let the next ones see what it led to."""
    answered = _answer(received, memory)
    if effect := answered.effect:
        memory.keep_decision(received.command.invoice_number, effect.state, effect.version, effect.claims)
        if isinstance(received.command, EraseInvoice):
            memory.keys.destroy(received.command.invoice_number)
    if answered.entries and isinstance(entry := answered.entries[-1], ReplyEntry):
        memory.keep_reply(entry)
    return answered


def _answer(received: Received, memory: Memory) -> RecordAnswer:
    try:
        decided = decide_command(received, memory)
        if isinstance(decided, Waits):
            return _let_wait(received, decided, memory)
        key = memory.keys.for_other(received.command.invoice_number)
        return answer_command(received.under(key and key[1]), decided)
    except WrittenByNewerRelease:
        raise
    except Exception as fault:  # noqa: BLE001 - whatever it is, the other records must not suffer from it
        return set_aside(received, fault, memory)


def _let_wait(received: Received, waits: Waits, memory: Memory, fault: Exception | None = None) -> RecordAnswer:
    record = sealed_record(received.record, memory.keys.for_other(received.command.invoice_number))
    waiting = waits.queue.add(received.key, received.id, received.source, received.type, record)
    return announce_waiting(received, waiting, fault)

"""A batch, answered: each record on what the ones before it left, and none spoiling another. Pure."""

from collections.abc import Iterable

from events.stored import WrittenByNewerRelease
from service.log.entries import ReplyEntry
from service.worker.deciding import decide_command
from service.worker.memory import Memory
from service.worker.reading import Received, Unreadable
from service.worker.replies import Incident, RecordAnswer, answer_command, bury, unreadable


def answer_batch(records: Iterable[Received | Unreadable], memory: Memory) -> list[RecordAnswer]:
    """Answer records in their order.

    Raises: WrongHolder when what was loaded does not fit together, since a rival wrote in between;
    WrittenByNewerRelease when a newer release has replied to one of these ids before.
    """
    return [
        unreadable(record) if isinstance(record, Unreadable) else _answer_next(record, memory) for record in records
    ]


def _answer_next(received: Received, memory: Memory) -> RecordAnswer:
    """Answer a command, and let the next ones see what it led to."""
    answered = _answer(received, memory)
    if effect := answered.effect:
        memory.keep_decision(received.command.invoice_number, effect.state, effect.version, effect.claims)
    if isinstance(entry := answered.entries[-1], ReplyEntry):
        memory.keep_reply(entry)
    return answered


def _answer(received: Received, memory: Memory) -> RecordAnswer:
    try:
        return answer_command(received, decide_command(received, memory))
    except WrittenByNewerRelease:
        raise
    except Exception as fault:  # noqa: BLE001 - whatever it is, the other records must not suffer from it
        facts = {"command_id": received.id, "correlation_id": received.trace.correlation}
        return bury(received, fault, Incident("command_not_decided", facts, fault))

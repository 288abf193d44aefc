"""What a record leads to, as entries of the log: events, the one reply, dead letters, notices. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple, assert_never

from events.catalogue import json_of, name_of, type_of
from events.compact_jwe import seal_bytes
from events.faults import Faults, cut_bytes
from events.names import event_id
from events.notices import AnyNotice, CommandParked, CommandReleased, notice_id
from events.replies import AnyReply, CommandAccepted, CommandRefused, EventReference, is_final, reply_id
from events.sealing import SEALED_HEADER
from service.invoice.state import status_of
from service.log.entries import DeadLetterEntry, EventEntry, LogEntry, NoticeEntry, ReplyEntry
from service.log.parking import WaitingCommand
from service.log.published_size import LARGEST_PUBLISHED, published_size
from service.worker.deciding import Accepted, Refused, Repeated
from service.worker.reading import MAX_RECORD_BYTES, Received, Unreadable
from transport.records import KafkaRecord, Undecodable, key_of

MAX_ERROR_BYTES = 4 * 1024
"""Bytes of a dead letter's ``dl_error``, and of the error that an invoice is parked for."""


class Unpublishable(Exception):
    """What a command led to is larger than any message that Kafka takes: a fault of the program, not committed."""


@dataclass(frozen=True, slots=True)
class Incident:
    """A fault of the program, for the program's log: its key and its facts."""

    key: str
    facts: Mapping[str, Any]
    fault: Exception | None = None


class RecordAnswer(NamedTuple):
    """What a record leads to. The entries are in the order of the log, the reply last; reply: what that says.

    effect: what it changes, where it was accepted. waits: whether it is not answered yet.
    """

    entries: Sequence[LogEntry]
    reply: AnyReply | None = None
    effect: Accepted | None = None
    incident: Incident | None = None
    waits: bool = False


def answer_command(received: Received, decided: Accepted | Refused | Repeated) -> RecordAnswer:
    """Answer a command as it was decided. Raises: Unpublishable."""
    match decided:
        case Accepted():
            return _accepted(received, decided)
        case Refused(refusal):
            return _replied(received, _refused(received, decided), final=is_final(refusal.code))
        case Repeated(reply):
            return _replied(received, reply, final=False)
        case _:
            assert_never(decided)


def _accepted(received: Received, accepted: Accepted) -> RecordAnswer:
    before = accepted.version - len(accepted.events)
    events = [
        EventEntry(
            event.invoice_number, version, name_of(type(event)), json_of(event), event.occurred_at, received.trace
        )
        for version, event in enumerate(accepted.events, before + 1)
    ]
    reply = CommandAccepted.of_valid(
        command_id=received.id,
        command_source=received.source,
        command_type=received.type,
        invoice_number=received.command.invoice_number,
        invoice_version=accepted.version,
        events=tuple(
            EventReference.of_valid(id=event_id(event.invoice_number, event.version), type=type_of(event.name))
            for event in events
        ),
        status=status_of(accepted.state),
    )
    entries = (*events, _reply_entry(received, reply, final=True))
    if not all(map(_fits, entries)):
        msg = "an event or the reply is too large to be published"
        raise Unpublishable(msg)
    return RecordAnswer(entries, reply, accepted)


def _refused(received: Received, refused: Refused) -> CommandRefused:
    return CommandRefused(
        command_id=received.id,
        command_source=received.source,
        command_type=received.type,
        invoice_number=received.command.invoice_number,
        invoice_version=refused.version,
        code=refused.refusal.code,
        message=refused.refusal.message,
        details=dict(refused.refusal.details),
    )


def _replied(received: Received, reply: AnyReply, *, final: bool) -> RecordAnswer:
    """Answer with a reply; in the place of one that is too large, with another that says so and leaves the id free."""
    entry = _reply_entry(received, reply, final=final)
    if _fits(entry):
        return RecordAnswer((entry,), reply)
    incident = Incident("reply_too_large", {"command_id": received.id, "command": received.type})
    substitute = reply.but(
        code="INTERNAL_FAULT",
        message="What there is to say of this command is too large to be published; nothing changed.",
        details={},
    )
    return RecordAnswer((_reply_entry(received, substitute, final=False),), substitute, incident=incident)


def announce_waiting(received: Received, waiting: WaitingCommand, fault: Exception | None) -> RecordAnswer:
    """Announce that a command waits. fault: why it could not be decided; None where it waits behind another."""
    number = received.command.invoice_number
    facts = {"invoice": number, "command_id": received.id, "correlation_id": received.trace.correlation}
    incident = Incident("invoice_parked", facts, fault) if fault else None
    if waiting.place is None:
        return RecordAnswer((), incident=incident, waits=True)
    parked = CommandParked(
        command_id=waiting.id,
        command_source=waiting.source,
        command_type=waiting.type,
        invoice_number=number,
        place=waiting.place,
        reason="INTERNAL_FAULT" if fault else "INVOICE_PARKED",
    )
    return RecordAnswer((_notice_entry(received, parked, answered=False),), incident=incident, waits=True)


def announce_release(
    record: Received | Unreadable, number: str, waiting: WaitingCommand, discarded: str | None
) -> Sequence[NoticeEntry]:
    """Announce that a command waits no longer, if it was announced that it does. discarded: why it was given up."""
    if waiting.place is None:
        return ()
    released = CommandReleased(
        command_id=waiting.id,
        command_source=waiting.source,
        command_type=waiting.type,
        invoice_number=number,
        place=waiting.place,
        discarded=discarded,
    )
    return (_notice_entry(record, released, answered=True),)


def _notice_entry(record: Received | Unreadable, notice: AnyNotice, *, answered: bool) -> NoticeEntry:
    return NoticeEntry(
        answered=answered,
        id=notice_id(_reply_id(record.record), type(notice)),
        name=name_of(type(notice)),
        invoice_number=notice.invoice_number,
        value=json_of(notice),
        sent_at=record.time,
        trace=record.trace,
    )


def unreadable(record: Unreadable, key: tuple[str, bytes] | None = None) -> RecordAnswer:
    """Make a dead letter of a record that is not a command, and reply to whoever is known to have sent it.

    key: under which its value is sealed, and what it is called.
    """
    place = {"topic": record.record.topic, "partition": record.record.partition, "offset": record.record.offset}
    incident = Incident("record_not_read", place, record.fault) if record.fault else None
    reply = _malformed(record)
    replied = () if reply is None else (_reply_entry(record, reply, final=False),)
    dead = _dead_letter(record.record, record.reason, _sum_up(record.faults), record.time, answered=reply is not None)
    dead = _sealed_letter(dead, *key) if key and dead.value is not None else dead
    return RecordAnswer((dead, *replied), reply, incident=incident)


def _malformed(record: Unreadable) -> CommandRefused | None:
    """Reply with every fault of a record; none if its sender is unknown."""
    envelope = record.envelope
    if envelope.id is None or envelope.source is None:
        return None
    return CommandRefused(
        command_id=envelope.id,
        command_source=envelope.source,
        command_type=envelope.type or "",
        invoice_number=record.invoice_number,
        code="MALFORMED_COMMAND",
        message=f"The command is malformed: {record.faults.sum_up()}. Correct it and send it again.",
        details={"faults": [{"field": fault.field, "message": fault.message} for fault in record.faults]},
    )


def _reply_entry(record: Received | Unreadable, reply: AnyReply, *, final: bool) -> ReplyEntry:
    """Return the entry of a reply. final: it uses the id of its command up."""
    origin = record.record
    key, digest = (record.key, record.digest) if final and isinstance(record, Received) else (None, None)
    return ReplyEntry(
        command_key=key,
        digest=digest,
        id=_reply_id(origin),
        name=name_of(type(reply)),
        record_key=_key(origin),
        subject=reply.invoice_number,
        value=json_of(reply),
        sent_at=record.time,
        trace=record.trace,
        came_by=origin.partition,
    )


def _reply_id(record: KafkaRecord) -> str:
    """Return the id of the reply to a record: the same when it is decided again."""
    return reply_id(record.topic, record.partition, record.offset)


def _dead_letter(
    record: KafkaRecord, reason: str, error: str, buried_at: datetime, *, answered: bool
) -> DeadLetterEntry:
    """Return a dead letter; of a record that is too large it has only size and digest. answered: a reply follows."""
    row = DeadLetterEntry(
        answered=answered,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        reason=reason,
        error=bounded_error(error),
        buried_at=buried_at,
        record_key=_key(record),
        value=None,
        headers=(),
    )
    if isinstance(record, Undecodable):
        return row
    whole = replace(row, value=record.value, headers=[(name.encode(), value) for name, value in record.headers])
    if reason == "TOO_LARGE" or not _fits(whole):
        return replace(row, reason="TOO_LARGE", headers=_stand_in(record.value or b""))
    return whole


def _sealed_letter(letter: DeadLetterEntry, name: str, key: bytes) -> DeadLetterEntry:
    """Return a dead letter whose value only a key opens, which is named by the last of the record's headers."""
    headers = [*letter.headers, (SEALED_HEADER.encode(), name.encode())]
    return replace(letter, value=seal_bytes(key, name, letter.value or b""), headers=headers)


def bounded_error(error: str) -> str:
    """Return an error as the store takes it, cut to 4 KiB."""
    return cut_bytes(error.replace("\0", "\\0"), MAX_ERROR_BYTES)


def _fits(entry: LogEntry) -> bool:
    """Return whether an entry is small enough for Kafka."""
    return published_size(entry) <= LARGEST_PUBLISHED


def _stand_in(value: bytes) -> Sequence[tuple[bytes, bytes]]:
    """Return the headers that identify a record whose value is not kept."""
    return ((b"dl_size", str(len(value)).encode()), (b"dl_sha256", sha256(value).hexdigest().encode()))


def _key(record: KafkaRecord) -> bytes | None:
    """Return the record's key, unless that alone is too large."""
    key = key_of(record)
    return None if key is not None and len(key) > MAX_RECORD_BYTES else key


def _sum_up(faults: Faults) -> str:
    """Return the faults in one line, for the dead letter's header."""
    return "; ".join(f"{fault.field}: {fault.message}" if fault.field else fault.message for fault in faults)

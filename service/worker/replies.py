"""What a decision leads to, as messages and entries of the log: events, the one reply, dead letters. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from uuid import UUID

from events.catalogue import json_of, name_of, type_of
from events.faults import Faults, cut_bytes
from events.invoice_events import AnyInvoiceEvent
from events.names import event_id
from events.replies import AnyReply, CommandAccepted, CommandRefused, EventReference, reply_id
from events.values import StatusCode
from service.invoice.refusals import Refusal
from service.log.entries import DeadLetterEntry, EventEntry, LogEntry, ReplyEntry
from service.log.published_size import LARGEST_PUBLISHED, published_size
from service.worker.reading import MAX_RECORD_BYTES, Received, Unreadable, is_too_large
from transport.records import KafkaRecord, Undecodable

MAX_ERROR_BYTES = 4 * 1024
"""Bytes of a dead letter's ``dl_error``."""


def fits(entry: LogEntry) -> bool:
    """Tell whether Kafka takes an entry for its size."""
    return published_size(entry) <= LARGEST_PUBLISHED


def event_entry(received: Received, event: AnyInvoiceEvent, version: int) -> EventEntry:
    """Return the entry of an event. version: the invoice's with it."""
    name, body = name_of(type(event)), json_of(event)
    origin = (received.id, received.correlation, received.traceparent)
    return EventEntry(event.invoice_number, version, name, body, event.occurred_at, *origin)


def accepted(received: Received, events: Sequence[EventEntry], version: int, status: StatusCode) -> CommandAccepted:
    """Reply that the command was accepted. version and status: the invoice's after its events."""
    return CommandAccepted(
        command_id=received.id,
        command_source=received.source,
        command_type=received.type,
        invoice_number=received.command.invoice_number,
        invoice_version=version,
        events=tuple(
            EventReference(id=event_id(event.invoice_number, event.version), type=type_of(event.name))
            for event in events
        ),
        status=status,
    )


def refused(received: Received, refusal: Refusal, version: int | None) -> CommandRefused:
    """Reply that the command was refused. version: the invoice's, where the refusal tells it."""
    return CommandRefused(
        command_id=received.id,
        command_source=received.source,
        command_type=received.type,
        invoice_number=received.command.invoice_number,
        invoice_version=version,
        code=refusal.code,
        message=refusal.message,
        details=dict(refusal.details),
    )


def malformed(unreadable: Unreadable) -> CommandRefused | None:
    """Reply with every fault of a record; there is no reply where nobody is known to have sent it."""
    envelope = unreadable.envelope
    if envelope.id is None or envelope.source is None:
        return None
    return CommandRefused(
        command_id=envelope.id,
        command_source=envelope.source,
        command_type=envelope.type or "",
        invoice_number=unreadable.invoice_number,
        code="MALFORMED_COMMAND",
        message=f"The command is malformed: {unreadable.faults.sum_up()}. Correct it and send it again.",
        details={"faults": [{"field": fault.field, "message": fault.message} for fault in unreadable.faults]},
    )


def too_large(reply: AnyReply) -> AnyReply:
    """Return what is replied in the place of a refusal that is too large to be published."""
    return reply.model_copy(
        update={
            "code": "INTERNAL_FAULT",
            "message": "What there is to say of this command is too large to be published; nothing changed.",
            "details": {},
        }
    )


def reply_entry(received: Received | Unreadable, reply: AnyReply, sent_at: datetime, *, final: bool) -> ReplyEntry:
    """Return the entry of a reply. final: it uses the id of its command up."""
    record = received.record
    key: UUID | None = None
    digest: bytes | None = None
    if isinstance(received, Received):
        correlation, traceparent = received.correlation, received.traceparent
        if final:
            key, digest = received.key, received.digest
    else:
        correlation, traceparent = received.envelope.correlation or reply.command_id, received.envelope.traceparent
    return ReplyEntry(
        command_key=key,
        digest=digest,
        id=reply_id(record.topic, record.partition, record.offset),  # the same when the batch is decided again
        name=name_of(type(reply)),
        record_key=_key(record),
        subject=reply.invoice_number,
        value=json_of(reply),
        sent_at=sent_at,
        causation=reply.command_id,
        correlation=correlation,
        traceparent=traceparent,
        came_by=record.partition,
    )


def dead_letter(
    record: KafkaRecord, reason: str, error: str, buried_at: datetime, *, answered: bool
) -> DeadLetterEntry:
    """Return a dead letter; of a record that is too large it has only size and digest. answered: a reply follows."""
    row = DeadLetterEntry(
        answered=answered,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        reason=reason,
        error=cut_bytes(error.replace("\0", "\\0"), MAX_ERROR_BYTES),
        buried_at=buried_at,
        record_key=_key(record),
        value=None,
        headers=(),
    )
    if isinstance(record, Undecodable):
        return row
    whole = replace(row, value=record.value, headers=[(name.encode(), value) for name, value in record.headers])
    if is_too_large(record) or published_size(whole) > LARGEST_PUBLISHED:
        return replace(row, reason="TOO_LARGE", headers=_stand_in(record.value or b""))
    return whole


def _stand_in(value: bytes) -> Sequence[tuple[bytes, bytes]]:
    """Return what tells a record that is not kept from others."""
    return ((b"dl_size", str(len(value)).encode()), (b"dl_sha256", sha256(value).hexdigest().encode()))


def _key(record: KafkaRecord) -> bytes | None:
    """Return the record's key, unless that alone is too large."""
    key = None if isinstance(record, Undecodable) else record.key
    return None if key is not None and len(key) > MAX_RECORD_BYTES else key


def sum_up(faults: Faults) -> str:
    """Return the faults in one line, for the dead letter's header."""
    return "; ".join(f"{fault.field}: {fault.message}" if fault.field else fault.message for fault in faults)

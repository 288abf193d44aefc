"""A batch, decided: each record on what the ones before it left, and none spoiling another.

Order of checks: readable, channel, idempotency, rules. Pure but for the log of faults: what is needed has been loaded,
and what comes of it is written by the store.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from typing import Any, cast
from uuid import UUID

import structlog
from eventsourcing.persistence import StoredEvent
from pydantic import JsonValue

from events.catalogue import json_of, name_of, read_reply, type_of
from events.faults import Faults, cut_bytes
from events.invoice_events import AnyInvoiceEvent
from events.replies import AnyReply, CommandAccepted, CommandRefused, EventReference, is_alarming, reply_id
from service.invoice.claim_changes import claim_changes
from service.invoice.decide import decide
from service.invoice.evolve import evolve
from service.invoice.overlay import Overlay, WrongHolder
from service.invoice.refusal_kinds import KINDS
from service.invoice.refusals import Refusal, refuse
from service.invoice.state import Invoice, status_of
from service.store.newer import ProgramTooOld, read_known
from service.store.published_size import LARGEST_PUBLISHED, published_size
from service.store.rows import DeadLetterRow, Entry, EventRow, ReplyRow, event_id
from service.store.writing import Conflict, Earlier
from service.worker.moments import Moments
from service.worker.reading import LARGEST_RECORD, Received, Unreadable, is_too_large
from transport.records import KafkaRecord, Undecodable

log = structlog.get_logger(__name__)

LARGEST_ERROR = 4 * 1024
"""Bytes of a dead letter's ``dl_error``."""


@dataclass(frozen=True, slots=True)
class Stream:
    """An invoice as its events say, and how many they are. broken: its events could not be read."""

    state: Invoice | None
    version: int
    broken: Exception | None = None


NEVER_SEEN = Stream(None, 0)


class Unpublishable(Exception):
    """What a command led to is larger than any message that Kafka takes: a fault of ours, not committed."""


def fold(events: Iterable[AnyInvoiceEvent]) -> Stream:
    """Replay a stream. A stream that cannot be read faults its own commands, and no others.

    Raises: ProgramTooOld.
    """
    state, version = None, 0
    try:
        for event in events:
            state, version = evolve(state, event), version + 1
    except ProgramTooOld:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, only this invoice's commands may suffer from it
        return Stream(state, version, error)
    return Stream(state, version)


@dataclass(slots=True)
class Batch:
    """What a batch has been decided on so far, and what it leads to.

    streams, earlier and claims begin as loaded, and each decision moves them on.
    """

    streams: dict[str, Stream]
    earlier: dict[UUID, Earlier]
    claims: Overlay
    moments: Moments
    decisions: list[tuple[AnyReply, str]] = field(default_factory=list[tuple[AnyReply, str]])
    entries: list[Entry] = field(default_factory=list[Entry])

    def take(self, record: Received | Unreadable) -> None:
        """Decide one record, and keep what comes of it.

        Raises: Conflict when what was loaded does not fit together, since a rival wrote in between; ProgramTooOld when
        a newer release has answered this id before.
        """
        if isinstance(record, Unreadable):
            return self._bury_unreadable(record)
        if refusal := _wrong_channel(record):
            return self._refuse(record, refusal)
        try:
            if earlier := self.earlier.get(record.key):
                self._answer_again(record, earlier)
            else:
                self._decide(record)
        except ProgramTooOld:
            raise
        except WrongHolder as rival:
            raise Conflict(str(rival)) from rival
        except Exception as fault:
            log.exception("fault in deciding a command", command_id=record.id, correlation_id=record.correlation)
            self.bury(record, fault)
        return None

    def bury(self, record: Received | Unreadable, fault: Exception) -> None:
        """Make a dead letter of a record that we failed on; its id is not used up."""
        if isinstance(record, Unreadable):
            return self._bury_unreadable(record)
        self.entries.append(self._dead_letter(record.record, "FAULT", repr(fault), answered=True))
        return self._refuse(record, refuse("INTERNAL_FAULT"))

    def _decide(self, record: Received) -> None:
        command = record.command
        stream = self.streams.get(command.invoice_number, NEVER_SEEN)
        if stream.broken:
            raise stream.broken
        decision = decide(stream.state, self.claims, command, self.moments.of(record))
        if isinstance(decision, Refusal):
            return self._refuse(record, decision, stream)
        return self._append(record, stream, decision)

    def _append(self, record: Received, stream: Stream, events: Sequence[AnyInvoiceEvent]) -> None:
        state, version = stream.state, stream.version
        rows: list[EventRow] = []
        taken = []
        for event in events:
            version += 1
            taken += claim_changes(state, event)
            state = evolve(state, event)
            rows.append(_event_row(record, event, version))
        reply = CommandAccepted(
            command_id=record.id,
            command_source=record.source,
            command_type=record.type,
            invoice_number=record.command.invoice_number,
            invoice_version=version,
            events=tuple(_reference(row.stored) for row in rows),
            status=status_of(cast("Invoice", state)),
        )
        answer = _answer(record, reply, self.moments.time(record.record), final=True)
        if not all(_fits(entry) for entry in (*rows, answer)):
            msg = "an event or the reply is too large to be published"
            raise Unpublishable(msg)
        self.claims.apply(taken)
        self.streams[record.command.invoice_number] = Stream(state, version)
        self.entries += rows
        self._keep(record, reply, answer)

    def _refuse(self, record: Received, refusal: Refusal, stream: Stream = NEVER_SEEN) -> None:
        reply = CommandRefused(
            command_id=record.id,
            command_source=record.source,
            command_type=record.type,
            invoice_number=record.command.invoice_number,
            invoice_version=_version_told(record, refusal, stream),
            code=refusal.code,
            message=refusal.message,
            details=dict(refusal.details),
        )
        self._reply(record, reply, final=KINDS[refusal.code].final)

    def _answer_again(self, record: Received, earlier: Earlier) -> None:
        if earlier.digest != record.digest:
            return self._refuse(record, refuse("IDEMPOTENCY_KEY_REUSED", id=record.id, source=record.source))
        first = read_known(read_reply, earlier.name, earlier.value)
        return self._reply(record, first.model_copy(update={"replayed": True}), final=False)

    def _bury_unreadable(self, unreadable: Unreadable) -> None:
        envelope = unreadable.envelope
        answered = envelope.id is not None and envelope.source is not None
        self.entries.append(
            self._dead_letter(unreadable.record, unreadable.reason, _told(unreadable.faults), answered=answered)
        )
        if envelope.id is None or envelope.source is None:
            return
        reply = CommandRefused(
            command_id=envelope.id,
            command_source=envelope.source,
            command_type=envelope.type or "",
            invoice_number=unreadable.invoice_number,
            code="MALFORMED_COMMAND",
            message=f"The command is malformed: {unreadable.faults.sum_up()}. Correct it and send it again.",
            details={"faults": [{"field": fault.field, "message": fault.message} for fault in unreadable.faults]},
        )
        correlation, traceparent = envelope.correlation or envelope.id, envelope.traceparent
        time = self.moments.time(unreadable.record)
        told, answer = _fitting(
            reply,
            lambda told: _reply_row(unreadable.record, told, time, correlation=correlation, traceparent=traceparent),
        )
        self.entries.append(answer)
        self.decisions.append((told, correlation))

    def _reply(self, record: Received, reply: AnyReply, *, final: bool) -> None:
        time = self.moments.time(record.record)
        told, answer = _fitting(reply, lambda told: _answer(record, told, time, final=final and told is reply))
        self._keep(record, told, answer)

    def _keep(self, record: Received, reply: AnyReply, answer: ReplyRow) -> None:
        if answer.command_key and answer.digest:
            self.earlier[answer.command_key] = Earlier(answer.digest, answer.name, answer.value)
        self.entries.append(answer)
        self.decisions.append((reply, record.correlation))

    def _dead_letter(self, record: KafkaRecord, reason: str, error: str, *, answered: bool) -> DeadLetterRow:
        row = DeadLetterRow(
            answered=answered,
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            reason=reason,
            error=cut_bytes(error.replace("\0", "\\0"), LARGEST_ERROR),
            buried_at=self.moments.time(record),
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
    return None if key is not None and len(key) > LARGEST_RECORD else key


def _told(faults: Faults) -> str:
    """Return the faults in one line, for the dead letter's header."""
    return "; ".join(f"{fault.field}: {fault.message}" if fault.field else fault.message for fault in faults)


def log_dead_letter(row: DeadLetterRow) -> None:
    """Log where a dead letter came from and why, and nothing of what it says."""
    log.warning("dead letter", reason=row.reason, topic=row.topic, partition=row.partition, offset=row.offset)


def log_decision(reply: AnyReply, correlation: str) -> None:
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
        log.error("somebody must look", why=reply.code, command=reply.command_type, invoice=reply.invoice_number)


def _event_row(record: Received, event: AnyInvoiceEvent, version: int) -> EventRow:
    stored = StoredEvent(event.invoice_number, version, name_of(type(event)), json_of(event))
    return EventRow(stored, event.occurred_at, record.id, record.correlation, record.traceparent)


def _reference(stored: StoredEvent) -> EventReference:
    return EventReference(id=event_id(str(stored.originator_id), stored.originator_version), type=type_of(stored.topic))


def _reply_row(  # noqa: PLR0913 - the columns of a row
    record: KafkaRecord,
    reply: AnyReply,
    sent_at: datetime,
    *,
    correlation: str,
    traceparent: str | None,
    key: UUID | None = None,
    digest: bytes | None = None,
) -> ReplyRow:
    return ReplyRow(
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


def _answer(record: Received, reply: AnyReply, time: datetime, *, final: bool) -> ReplyRow:
    key, digest = (record.key, record.digest) if final else (None, None)
    return _reply_row(
        record.record,
        reply,
        time,
        correlation=record.correlation,
        traceparent=record.traceparent,
        key=key,
        digest=digest,
    )


def _fitting(reply: AnyReply, row_of: Callable[[AnyReply], ReplyRow]) -> tuple[AnyReply, ReplyRow]:
    """Return a refusal and its row; in the place of one that is too large, another that says so."""
    row = row_of(reply)
    if _fits(row):
        return reply, row
    log.error("a reply is too large to be published", command_id=reply.command_id, command=reply.command_type)
    shorter = reply.model_copy(update=_TOO_LARGE)
    return shorter, row_of(shorter)


def _fits(entry: Entry) -> bool:
    return published_size(entry) <= LARGEST_PUBLISHED


_TOO_LARGE: Mapping[str, Any] = {
    "code": "INTERNAL_FAULT",
    "message": "What there is to say of this command is too large to be published; nothing changed.",
    "details": {},
}


def _version_told(record: Received, refusal: Refusal, stream: Stream) -> int | None:
    """Tell the version of an invoice that exists and is the caller's; billing names the account it means."""
    if stream.state is None or not KINDS[refusal.code].tells_version:
        return None
    account: JsonValue = getattr(record.command, "account_id", stream.state.account_id)
    return stream.version if account == stream.state.account_id else None


def _wrong_channel(record: Received) -> Refusal | None:
    channel = record.command.CHANNEL.value
    if record.record.topic == channel:
        return None
    return refuse("WRONG_CHANNEL", expected=channel, topic=record.record.topic)

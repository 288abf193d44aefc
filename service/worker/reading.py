"""From a raw record to a command, or to the reasons why it is not one. Each record is read alone."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import cast
from uuid import UUID

from events import cloudevents
from events.catalogue import name_of
from events.cloudevents import Envelope
from events.command_records import read_command
from events.commands import AnyCommand
from events.faults import Fault, Faults
from transport.records import ConsumerRecord, KafkaRecord, Undecodable

MAX_RECORD_BYTES = 1024 * 1024
"""Bytes of a record's key, value and headers. More, which compression hides from Kafka, is not kept or read."""


@dataclass(frozen=True, slots=True)
class Received:
    """A readable command, with what its reply and its events carry on."""

    record: ConsumerRecord
    command: AnyCommand
    id: str
    source: str
    type: str
    correlation: str
    traceparent: str | None
    digest: bytes
    key: UUID
    """The idempotency key: topic, source and id, so that no publisher can use up another's ids."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that is not a command. It becomes a dead letter; where id and source are known, it also gets a reply."""

    record: KafkaRecord
    reason: str
    faults: Faults
    envelope: Envelope
    invoice_number: str | None = None


def read(record: KafkaRecord) -> Received | Unreadable:
    """Read one record. Never raises for anything that a publisher can send."""
    if isinstance(record, Undecodable):
        return Unreadable(record, "UNDECODABLE_RECORD", Faults(Fault("headers", record.error)), Envelope())
    if is_too_large(record):
        return _too_large(record)
    read_as = read_command(record.headers, record.key, record.value)
    envelope, command = read_as.envelope, read_as.command
    if command is None:
        return Unreadable(record, "MALFORMED_COMMAND", envelope.faults, envelope, read_as.invoice_number)
    command_id, source, ce_type = cast("tuple[str, str, str]", (envelope.id, envelope.source, envelope.type))
    return Received(
        record,
        command,
        command_id,
        source,
        ce_type,
        envelope.correlation or command_id,
        envelope.traceparent,
        _digest(command, read_as.canonical),
        _idempotency_key(record.topic, source, command_id),
    )


def is_too_large(record: ConsumerRecord) -> bool:
    """Tell whether a record is larger than any that is kept."""
    headers = sum(len(name.encode()) + len(value or b"") for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers > MAX_RECORD_BYTES


def _too_large(record: ConsumerRecord) -> Unreadable:
    """Read the headers alone: whoever sent the record gets a reply where they say who it was."""
    faults = Faults(Fault("data", f"the record is larger than {MAX_RECORD_BYTES} bytes"))
    return Unreadable(record, "TOO_LARGE", faults, cloudevents.read(record.headers, b""))


def _idempotency_key(topic: str, source: str, command_id: str) -> UUID:
    text = f"{topic}\0{source}\0{command_id}"
    return UUID(bytes=blake2b(text.encode(), digest_size=16).digest())


def _digest(command: AnyCommand, canonical: bytes) -> bytes:
    """Return what tells one command from another as both were read, however they were written."""
    return blake2b(canonical, digest_size=32, key=name_of(type(command)).encode()).digest()

"""From a raw record to a command, or to the reasons why it is none. Each record is read alone."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import cast
from uuid import UUID

from pydantic import JsonValue

from events import bodies, cloudevents, strict_json
from events.catalogue import COMMAND_TYPES, PREFIX, json_of, name_of, stored_name
from events.cloudevents import Envelope
from events.commands import AnyCommand
from events.faults import Fault, Faults
from transport.records import ConsumerRecord, KafkaRecord, Undecodable

LARGEST_COMMAND = 256 * 1024
"""Bytes of a record's value; more is malformed."""
LARGEST_RECORD = 1024 * 1024
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
    """A record that is no command. It becomes a dead letter; where id and source are known, it also gets a reply."""

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
    envelope = cloudevents.read(record.headers, record.value)
    faults = envelope.faults
    body, number = _body(record, envelope)
    if isinstance(body, Faults):
        faults.join(body)
    if number is not None:
        faults.add_all(_address_faults(record, envelope, number))
    if faults or isinstance(body, Faults):
        return Unreadable(record, "MALFORMED_COMMAND", faults, envelope, number)
    return _received(record, envelope, body)


def is_too_large(record: ConsumerRecord) -> bool:
    """Say whether a record is larger than any that is kept."""
    headers = sum(len(name.encode()) + len(value or b"") for name, value in record.headers)
    return len(record.key or b"") + len(record.value or b"") + headers > LARGEST_RECORD


def _too_large(record: ConsumerRecord) -> Unreadable:
    """Read the headers alone: whoever sent the record gets an answer where they say who it was."""
    faults = Faults(Fault("data", f"the record is larger than {LARGEST_RECORD} bytes"))
    return Unreadable(record, "TOO_LARGE", faults, cloudevents.read(record.headers, b""))


def _received(record: ConsumerRecord, envelope: Envelope, command: AnyCommand) -> Received:
    command_id, source, ce_type = cast("tuple[str, str, str]", (envelope.id, envelope.source, envelope.type))
    return Received(
        record,
        command,
        command_id,
        source,
        ce_type,
        envelope.correlation or command_id,
        envelope.traceparent,
        _digest(command),
        _idempotency_key(record.topic, source, command_id),
    )


def _idempotency_key(topic: str, source: str, command_id: str) -> UUID:
    text = f"{topic}\0{source}\0{command_id}"
    return UUID(bytes=blake2b(text.encode(), digest_size=16).digest())


def _digest(command: AnyCommand) -> bytes:
    """Return what tells one command from another as both were read, however they were written."""
    return blake2b(json_of(command), digest_size=32, key=name_of(type(command)).encode()).digest()


def _body(record: ConsumerRecord, envelope: Envelope) -> tuple[AnyCommand | Faults, str | None]:
    """Return the command or the faults of its body; and the invoice number where it can be read."""
    if len(record.value or b"") > LARGEST_COMMAND:
        return Faults(Fault("data", f"is larger than {LARGEST_COMMAND} bytes")), None
    if envelope.data is None:
        return Faults(), None
    try:
        value = strict_json.parse(envelope.data)
    except ValueError as error:
        return Faults(Fault("data", str(error))), None
    number = _number(value)
    name = stored_name(envelope.type or "")
    command_class = COMMAND_TYPES.get(name)
    if command_class is None or envelope.type != PREFIX + name:
        return _unknown_type(envelope), number
    return bodies.read(command_class, value, envelope.data), number


def _unknown_type(envelope: Envelope) -> Faults:
    if envelope.type is None or envelope.faults.concerns("type"):
        return Faults()
    return Faults(Fault("type", f"{envelope.type} is no command of this service"))


def _number(value: JsonValue) -> str | None:
    number = value.get("invoice_number") if isinstance(value, dict) else None
    if isinstance(number, str) and len(number) == 20 and number.isascii() and number.isdigit():  # noqa: PLR2004 - events.values.InvoiceNumber
        return number
    return None


def _address_faults(record: ConsumerRecord, envelope: Envelope, number: str) -> list[Fault]:
    faults: list[Fault] = []
    if record.key != number.encode():
        faults.append(Fault("key", f"the record's key must be the invoice number {number}"))
    if envelope.subject is not None and envelope.subject != number:
        faults.append(Fault("subject", f"must be the invoice number {number}"))
    return faults

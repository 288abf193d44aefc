"""From a raw record to a command, or to the reasons why it is none. Each record is read alone."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import cast
from uuid import UUID

from pydantic import JsonValue

from events import bodies, cloudevents
from events.catalogue import COMMANDS, PREFIX, named
from events.cloudevents import Envelope, Fault
from events.commands import AnyCommand
from transport.stepping import ConsumerRecord, Record, Undecodable

LARGEST_COMMAND = 256 * 1024
"""Bytes of a record's value; more is malformed."""


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

    record: Record
    reason: str
    faults: tuple[Fault, ...]
    envelope: Envelope
    invoice_number: str | None = None

    @property
    def error(self) -> str:
        """Every fault in one line, for the dead letter's header."""
        return "; ".join(f"{fault.field}: {fault.message}" for fault in self.faults)


def read(record: Record) -> Received | Unreadable:
    """Read one record. Never raises for anything that a publisher can send."""
    if isinstance(record, Undecodable):
        return Unreadable(record, "UNDECODABLE_RECORD", (Fault("headers", record.error),), Envelope())
    envelope = cloudevents.read(record.headers, record.value)
    faults = envelope.faults
    body, number = _body(record, envelope)
    if isinstance(body, list):
        faults = [*faults, *body]
    if number is not None:
        faults = [*faults, *_address_faults(record, envelope, number)]
    if faults or isinstance(body, list):
        return Unreadable(record, "MALFORMED_COMMAND", tuple(faults), envelope, number)
    return _received(record, envelope, *body)


def _received(record: ConsumerRecord, envelope: Envelope, command: AnyCommand, digest: bytes) -> Received:
    command_id, source, ce_type = cast("tuple[str, str, str]", (envelope.id, envelope.source, envelope.type))
    return Received(
        record,
        command,
        command_id,
        source,
        ce_type,
        envelope.correlation or command_id,
        envelope.traceparent,
        digest,
        _idempotency_key(record.topic, source, command_id),
    )


def _idempotency_key(topic: str, source: str, command_id: str) -> UUID:
    text = f"{topic}\0{source}\0{command_id}"
    return UUID(bytes=blake2b(text.encode(), digest_size=16).digest())


def _body(record: ConsumerRecord, envelope: Envelope) -> tuple[tuple[AnyCommand, bytes] | list[Fault], str | None]:
    """Return the command and the digest of its body, or the faults; and the invoice number where it can be read."""
    if len(record.value or b"") > LARGEST_COMMAND:
        return [Fault("data", f"is larger than {LARGEST_COMMAND} bytes")], None
    data = envelope.data
    if data is None:
        return [], None
    try:
        value = cloudevents.parse(data)
        canonical = cloudevents.canonical(value)
    except ValueError as error:
        return [Fault("data", f"is not JSON: {error}")], None
    number = _number(value)
    name = named(envelope.type or "")
    command_class = COMMANDS.get(name)
    if command_class is None or envelope.type != PREFIX + name:
        return _unknown_type(envelope.type), number
    command = bodies.read(command_class, value, canonical)
    if isinstance(command, list):
        return command, number
    return (command, blake2b(canonical, digest_size=32, key=name.encode()).digest()), number


def _unknown_type(ce_type: str | None) -> list[Fault]:
    return [] if ce_type is None else [Fault("type", f"{ce_type} is no command of this service")]


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

"""A record of a command topic, read once: attributes, body and address, with every fault of them."""

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import JsonValue

from events import bodies, cloudevents, strict_json
from events.catalogue import COMMAND_TYPES, PREFIX, json_of, stored_name
from events.cloudevents import Envelope, RawHeaders
from events.commands import AnyCommand
from events.faults import Fault, Faults
from events.values import is_invoice_number

MAX_COMMAND_BYTES = 256 * 1024
"""Bytes of a record's value; more is malformed."""


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """What could be read of a record. It is a command where ``envelope.faults`` is empty.

    canonical: the command's body as Redletter itself would write it, whichever way it was written.
    invoice_number: where it can be read, although the body is not a command.
    """

    envelope: Envelope
    command: AnyCommand | None = None
    canonical: bytes = b""
    invoice_number: str | None = None


def read_command(raw_headers: RawHeaders, key: bytes | None, value: bytes | None) -> CommandRecord:
    """Read the record of a command. Never raises for anything that a publisher can send."""
    envelope = cloudevents.read(raw_headers, value)
    faults = envelope.faults
    if len(value or b"") > MAX_COMMAND_BYTES:
        faults.add("data", f"is larger than {MAX_COMMAND_BYTES} bytes")
        return CommandRecord(envelope)
    if envelope.data is None:
        return CommandRecord(envelope)
    try:
        body = strict_json.parse(envelope.data)
    except ValueError as error:
        faults.add("data", str(error))
        return CommandRecord(envelope)
    number = _number(body)
    command = _command(envelope, body, envelope.data)
    if isinstance(command, Faults):
        faults.join(command)
    if number is not None:
        faults.add_all(_address_faults(key, envelope.subject, number))
    if faults or isinstance(command, Faults):
        return CommandRecord(envelope, invoice_number=number)
    return CommandRecord(envelope, command, json_of(command), number)


def _command(envelope: Envelope, body: JsonValue, text: bytes) -> AnyCommand | Faults:
    name = stored_name(envelope.type or "")
    command_class = COMMAND_TYPES.get(name)
    if command_class is not None and envelope.type == PREFIX + name:
        return bodies.read(command_class, body, text)
    if envelope.type is None or envelope.faults.concerns("type"):
        return Faults()
    return Faults(Fault("type", f"{envelope.type} is no command of this service"))


def _number(body: JsonValue) -> str | None:
    number = body.get("invoice_number") if isinstance(body, dict) else None
    return number if isinstance(number, str) and is_invoice_number(number) else None


def _address_faults(key: bytes | None, subject: str | None, number: str) -> Iterator[Fault]:
    if key != number.encode():
        yield Fault("key", f"the record's key must be the invoice number {number}")
    if subject is not None and subject != number:
        yield Fault("subject", f"must be the invoice number {number}")

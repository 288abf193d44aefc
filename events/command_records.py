"""A record of a command topic, read once: attributes, body and address, with every fault of them."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple, cast

from pydantic import JsonValue

from events import envelopes
from events.catalogue import COMMAND_TYPES, PREFIX, json_of, name_of, stored_name
from events.cloudevents import RawHeaders
from events.command_bodies import read_body
from events.commands import AnyCommand
from events.envelopes import Envelope
from events.faults import Fault, Faults
from events.strict_json import parse
from events.trace import Trace
from events.values import is_invoice_number

MAX_COMMAND_BYTES = 256 * 1024
"""Bytes of a record's value; more is malformed."""


class CommandRecord(NamedTuple):
    """A command, with the attributes of its record. trace: what the messages that the command causes carry.

    canonical: the command's body as Redletter itself would write it, whichever way it was written.
    """

    command: AnyCommand
    canonical: bytes
    id: str
    source: str
    type: str
    trace: Trace

    @property
    def digest(self) -> bytes:
        """A digest that two commands share only if they were read as the same, however they were written."""
        name = name_of(type(self.command))
        return blake2b(self.canonical, digest_size=32, key=name.encode()).digest()


@dataclass(frozen=True, slots=True)
class NoCommand:
    """What could be read of a record that is not a command; the envelope has every fault.

    invoice_number: where it can be read.
    """

    envelope: Envelope
    invoice_number: str | None = None


def read_command(raw_headers: RawHeaders, key: bytes | None, value: bytes | None) -> CommandRecord | NoCommand:
    """Read the record of a command. Never raises for anything that a publisher can send."""
    envelope = envelopes.read(raw_headers, value)
    if len(value or b"") > MAX_COMMAND_BYTES:
        envelope.faults.add("data", f"is larger than {MAX_COMMAND_BYTES} bytes")
        return NoCommand(envelope)
    if envelope.data is None:
        return NoCommand(envelope)
    try:
        body = parse(envelope.data)
    except ValueError as error:
        envelope.faults.add("data", str(error))
        return NoCommand(envelope)
    return _with_body(envelope, key, body, envelope.data)


def _with_body(envelope: Envelope, key: bytes | None, body: JsonValue, text: bytes) -> CommandRecord | NoCommand:
    number = body.get("invoice_number") if isinstance(body, dict) else None
    if not isinstance(number, str) or not is_invoice_number(number):
        number = None
    address = [] if number is None else _address_faults(key, envelope.subject, number)
    command = _command(envelope, body, text)
    if isinstance(command, Faults):
        envelope.faults.join(command)
    if address:
        envelope.faults.add_all(address)
    if envelope.faults or isinstance(command, Faults):
        return NoCommand(envelope, number)
    id_, source, type_ = cast("tuple[str, str, str]", (envelope.id, envelope.source, envelope.type))
    trace = Trace(id_, envelope.correlation or id_, envelope.traceparent)
    return CommandRecord(command, json_of(command), id_, source, type_, trace)


def _address_faults(key: bytes | None, subject: str | None, number: str) -> list[Fault]:
    faults: list[Fault] = []
    if key != number.encode():
        faults.append(Fault("key", f"the record's key must be the invoice number {number}"))
    if subject is not None and subject != number:
        faults.append(Fault("subject", f"must be the invoice number {number}"))
    return faults


def _command(envelope: Envelope, body: JsonValue, text: bytes) -> AnyCommand | Faults:
    name = stored_name(envelope.type or "")
    command_class = COMMAND_TYPES.get(name)
    if command_class is not None and envelope.type == PREFIX + name:
        return read_body(command_class, body, text)
    if envelope.type is None or envelope.faults.concerns("type"):
        return Faults()
    return Faults(Fault("type", f"{envelope.type} is not a command of this service"))

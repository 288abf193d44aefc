"""Read the JSON lines of `send` and `validate`: each is a command with its body, and maybe its id and source."""

import json
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from events import cloudevents, envelopes
from events.catalogue import COMMAND_TYPES, name_of, stored_name
from events.command_bodies import read_body
from events.commands import EraseInvoice
from events.faults import Faults
from events.strict_json import MAX_DEPTH, parse

CLI_SOURCE = "urn:redletter:cli"
_OPTIONAL = {"id", "source"}
_MAX_KEY_CHARACTERS = cloudevents.LONGEST_ATTRIBUTE


class UnreadableLine(Exception):
    """A line is not a command that can be sent."""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A command to send: its stored name, such as ``RequestReturn.v1``, and its body as JSON.

    line: where it stands; 0 where it was not read from a file.
    """

    name: str
    id: str
    source: str
    data: Mapping[str, Any]
    line: int = 0

    @property
    def where(self) -> str | None:
        """What people know it by: its line, or its invoice."""
        return f"line {self.line}" if self.line else self.key

    @property
    def key(self) -> str | None:
        """The invoice number, if there is one that can be a record's key."""
        number = self.data.get("invoice_number")
        is_key = isinstance(number, str) and number.isprintable() and len(number) <= _MAX_KEY_CHARACTERS
        return number if is_key else None

    @property
    def value(self) -> bytes:
        """The body as it is published."""
        return json.dumps(self.data).encode()

    def headers(self) -> list[tuple[str, bytes]]:
        """Return the headers that it is published with."""
        return cloudevents.headers(
            id=self.id,
            source=self.source,
            name=self.name,
            subject=self.key,
            time=datetime.now(UTC),
            correlation=self.id,
            causation=None,
        )

    def about(self, number: str) -> "CommandLine":
        """Return the same command about another invoice, with an id of its own."""
        return replace(self, id=str(uuid4()), data={**self.data, "invoice_number": number})

    def describe(self) -> str:
        """Return the type and the id."""
        return f"{self.name.partition('.')[0]} {self.id}"


def read_command_lines(lines: Iterable[bytes]) -> Iterator[CommandLine]:
    """Read JSON lines in UTF-8; empty lines and a byte order mark are skipped. Raises: UnreadableLine."""
    for number, line in numbered(lines):
        try:
            yield replace(read_command_line(line), line=number)
        except ValueError as error:
            msg = f"line {number} cannot be sent: {error}"
            raise UnreadableLine(msg) from None


def numbered(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield the lines with something on them, with their numbers from 1, and without a byte order mark."""
    for number, line in enumerate(lines, 1):
        text = (line.removeprefix(BOM_UTF8) if number == 1 else line).strip()
        if text:
            yield number, text


def read_command_line(line: bytes) -> CommandLine:
    """Read one JSON line. Raises: ValueError, with the reason, for one that is not a command that can be sent."""
    return _checked(_command(_parsed(line)))


def erase_command(number: str, reason: str, requested_by: str) -> CommandLine:
    """Return the command that erases the texts of an invoice. Raises: ValueError for a reason that none may have."""
    data = {"invoice_number": number, "reason": reason, "requested_by": requested_by}
    read = read_body(EraseInvoice, {**data}, json.dumps(data).encode())
    faults = read if isinstance(read, Faults) else Faults()
    if faults:
        raise ValueError(faults.sum_up())
    return CommandLine(name_of(EraseInvoice), str(uuid4()), CLI_SOURCE, data)


def _parsed(text: bytes) -> object:
    try:
        return parse(text, MAX_DEPTH + 1)  # the data are one level down
    except ValueError as error:
        msg = f"it {error}".replace(" at line 1 column ", " at column ")
        raise ValueError(msg) from None


def _command(line: object) -> CommandLine:
    match line:
        case {"type": str(given), "data": dict(data), **rest} if rest.keys() <= _OPTIONAL:
            name = stored_name(given)
            name = name if name in COMMAND_TYPES else f"{name}.v1"
            if name not in COMMAND_TYPES:
                choices = ", ".join(each.partition(".")[0] for each in COMMAND_TYPES)
                msg = f'unknown command "{given}"; choose from {choices}'
                raise ValueError(msg)
            return CommandLine(name, _text(rest, "id") or str(uuid4()), _text(rest, "source") or CLI_SOURCE, data)
        case _:
            msg = 'it must be an object like {"type": "RequestReturn", "data": {..}}; id and source are optional'
            raise ValueError(msg)


def _text(fields: Mapping[str, object], name: str) -> str | None:
    value = fields.get(name)
    if value is None or (isinstance(value, str) and value):
        return value
    msg = f"its {name} must be a non-empty string"
    raise ValueError(msg)


def _checked(command: CommandLine) -> CommandLine:
    """Refuse what would be published but never get a reply; the worker's own reader of headers decides."""
    for fault in envelopes.read(command.headers(), b"{}").faults:
        msg = f"its {fault.field} {fault.message}"
        raise ValueError(msg)
    return command

"""Check the JSON lines of `send` as the worker would read them, without a broker."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from events.command_records import CommandRecord, read_command
from events.faults import Fault
from redletter.json_lines import numbered, read_command_line


class FaultyLine(NamedTuple):
    """A line that would be refused as MALFORMED_COMMAND, or could not even be sent, and all that is wrong with it."""

    number: int
    faults: Sequence[Fault]

    def as_json(self) -> dict[str, object]:
        """Return it as a JSON object, with the faults as a refusal lists them."""
        return {"line": self.number, "faults": [{"field": one.field, "message": one.message} for one in self.faults]}


class Validation(NamedTuple):
    """What was found. commands: how many lines hold a command, faulty or not."""

    commands: int
    faulty: Sequence[FaultyLine]


def validate(lines: Iterable[bytes]) -> Validation:
    """Check every line. Rules that depend on the invoice, such as its status, are not checked: only the worker can."""
    found = [FaultyLine(number, tuple(_faults(line))) for number, line in numbered(lines)]
    return Validation(len(found), [line for line in found if line.faults])


def _faults(line: bytes) -> Iterator[Fault]:
    try:
        command = read_command_line(line)
    except ValueError as error:
        yield Fault("", str(error))
        return
    key = None if command.key is None else command.key.encode()
    record = read_command([(name, value) for name, value in command.headers()], key, command.value)
    if not isinstance(record, CommandRecord):
        yield from record.envelope.faults

"""Parked invoices as values: the queue of each, and the commands that wait in it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from transport.records import ConsumerRecord, size_of

MAX_WAITING_COMMANDS = 1_000
MAX_WAITING_BYTES = 16 << 20
"""Bytes of the keys, values and headers of the records that wait."""


class WaitingCommand(NamedTuple):
    """A command that waits, with its record as it was received.

    turn: 1, 2, 3 ... in its invoice's queue. place: as announced; None for a repeat of a command that waits already.
    key: the idempotency key.
    """

    turn: int
    place: int | None
    key: UUID
    id: str
    source: str
    type: str
    record: ConsumerRecord


@dataclass(slots=True)
class Queue:
    """The commands of a parked invoice that wait: as loaded, and then as a batch or a release leaves it.

    error: why the first of them could not be decided. version: of the queue as loaded; None where the invoice was not
    parked then. keys: of the commands that wait. added: what came since it was loaded. left: the last turn that has
    left since then.
    """

    error: str
    version: UUID | None = None
    last_turn: int = 0
    last_place: int = 0
    commands: int = 0
    bytes: int = 0
    keys: set[UUID] = field(default_factory=set[UUID])
    added: list[WaitingCommand] = field(default_factory=list[WaitingCommand])
    left: int = 0

    def has_room_for(self, record: ConsumerRecord) -> bool:
        """Return whether one more record may wait."""
        return self.commands < MAX_WAITING_COMMANDS and self.bytes + size_of(record) <= MAX_WAITING_BYTES

    def add(self, key: UUID, id_: str, source: str, type_: str, record: ConsumerRecord) -> WaitingCommand:
        """Let one more command wait. A repeat gets no place of its own, since it is not announced."""
        self.last_turn += 1
        place = None
        if key not in self.keys:
            self.last_place += 1
            self.keys.add(key)
            place = self.last_place
        waiting = WaitingCommand(self.last_turn, place, key, id_, source, type_, record)
        self.commands += 1
        self.bytes += size_of(record)
        self.added.append(waiting)
        return waiting

    def remove(self, first: Sequence[WaitingCommand]) -> None:
        """Let the first commands of the queue leave it."""
        for waiting in first:
            self.left = waiting.turn
            self.commands -= 1
            self.bytes -= size_of(waiting.record)

"""What one transaction of the worker writes, and why it may not be written."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from rules.key_wrapping import WrappedKey
from service.invoice.claims import ClaimChange
from service.log.entries import LogEntry
from service.log.parking import Queue
from transport.clients.postgres import about_content
from transport.positions import Move


@dataclass(frozen=True, slots=True)
class Write:
    """Everything that one batch leads to.

    entries: in the order of the log, where a command's reply comes last. queues: those of parked invoices that changed.
    last_places: by partition of the log; what the batch was decided on is only true if nothing was written behind them.
    session: with the database, that everything was loaded over; another may lead to another database.
    keys_made: of invoices, as they are kept. keys_destroyed: of which invoices.
    """

    entries: Sequence[LogEntry]
    claims: Sequence[ClaimChange]
    moves: Sequence[Move]
    queues: Mapping[str, Queue] = field(default_factory=dict[str, Queue])
    last_places: Mapping[int, int] = field(default_factory=dict[int, int])
    session: int | None = None
    keys_made: Mapping[str, WrappedKey] = field(default_factory=dict[str, WrappedKey])
    keys_destroyed: Collection[str] = ()


class TooMuchToWrite(Exception):
    """A batch could not be written in its time, or its room; a part of it may be."""


class Conflict(Exception):
    """Another worker wrote to one of the invoices, claims or queues: load and decide again."""


class LogStopped(Exception):
    """Partitions of the log do not hold what was published of them, so nothing is written there. reasons: of each."""

    def __init__(self, reasons: Mapping[int, str]) -> None:
        super().__init__("; ".join(reasons.values()))
        self.reasons = reasons


def may_fit_in_part(fault: Exception) -> bool:
    """Return whether a part of what was to be written may be written although the whole was not."""
    return isinstance(fault, TooMuchToWrite) or about_content(fault)

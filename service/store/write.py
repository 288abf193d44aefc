"""What one transaction of the worker writes, and why it may not be written."""

from collections.abc import Sequence
from dataclasses import dataclass

from service.invoice.claims import ClaimChange
from service.log.entries import LogEntry
from transport.positions import Move


@dataclass(frozen=True, slots=True)
class Write:
    """Everything that one batch leads to. entries are in the order of the log: a command's reply comes last."""

    entries: Sequence[LogEntry]
    claims: Sequence[ClaimChange]
    moves: Sequence[Move]


class TooMuchToWrite(Exception):
    """A batch could not be written in its time, or its room; a part of it may be."""


class Conflict(Exception):
    """Another worker wrote to one of the invoices or claims: load and decide again."""

"""The entries of the log, as a decision leads to them; the store makes rows of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from events.trace import Trace


class EventEntry(NamedTuple):
    """One event. version: the invoice's with this event; name and body: as they are stored and published."""

    invoice_number: str
    version: int
    name: str
    body: bytes
    occurred_at: datetime
    trace: Trace


class ReplyEntry(NamedTuple):
    """One reply. command_key and digest are set where it is the final reply to its command's id.

    came_by: the partition of the record that it replies to.
    """

    command_key: UUID | None
    digest: bytes | None
    id: str
    name: str
    record_key: bytes | None
    subject: str | None
    value: bytes
    sent_at: datetime
    trace: Trace
    came_by: int


@dataclass(frozen=True, slots=True)
class DeadLetterEntry:
    """One record that was not a command, byte for byte. answered: a reply of its own follows it in the log."""

    answered: bool
    topic: str
    partition: int
    offset: int
    reason: str
    error: str
    buried_at: datetime
    record_key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[bytes, bytes | None]]


class NoticeEntry(NamedTuple):
    """One notice that a command waits, or waits no longer. answered: the reply to the command follows it in the log."""

    answered: bool
    id: str
    name: str
    invoice_number: str
    value: bytes
    sent_at: datetime
    trace: Trace


LogEntry = EventEntry | ReplyEntry | DeadLetterEntry | NoticeEntry


class EarlierReply(NamedTuple):
    """The first reply to a command id: its stored name and bytes, and the digest of the command it replied to."""

    digest: bytes
    name: str
    value: bytes

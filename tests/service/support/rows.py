"""Hand-made rows of the log, and the writing of them."""

from collections.abc import Sequence
from datetime import UTC, datetime

from events.trace import Trace
from service.log.entries import DeadLetterEntry, EventEntry, LogEntry, NoticeEntry, ReplyEntry
from service.store.event_store import Store
from service.store.log_tables import LogRow
from service.store.write import Write

TRACE = Trace("command", "story", None)
AT = datetime(2026, 2, 13, 1, 30, tzinfo=UTC)


def event(number: str, version: int) -> EventEntry:
    """Make an event; its body is of no matter to the log."""
    body = f'{{"version":{version}}}'.encode()
    return EventEntry(number, version, "InvoiceIssued.v1", body, AT, TRACE)


def reply(number: str, id_: str, *, key: bytes | None = None, padding: int = 0) -> ReplyEntry:
    """Make a reply that is not kept for its command's id, longer by so many bytes. key: other than the number."""
    body = f'{{"id":"{id_}"}}'.encode() + b" " * padding
    name = "CommandAccepted.v1"
    return ReplyEntry(None, None, id_, name, key or number.encode(), number, body, AT, TRACE, 0)


def dead_letter(*, answered: bool, value: bytes | None = b"\xff", key: bytes | None = b"key") -> DeadLetterEntry:
    """Make a dead letter."""
    headers = [(b"name", b"\xff"), (b"null", None)]
    topic = "invoice.commands.tax"
    return DeadLetterEntry(answered, topic, 3, 7, "MALFORMED_COMMAND", "data: bad", AT, key, value, headers)


def notice(number: str, id_: str, *, answered: bool) -> NoticeEntry:
    """Make a notice; its body is of no matter to the log. answered: a reply follows it."""
    return NoticeEntry(answered, id_, "CommandReleased.v1", number, b"{}", AT, TRACE)


def save(store: Store, entries: Sequence[LogEntry]) -> None:
    """Write entries as a batch would."""
    store.save(Write(entries, [], []))


def log_row(place: int, *, ends: bool, kind: str = "event") -> LogRow:
    """Make a row as the relay reads it; its facts are of no matter."""
    headers = ("name", "id", "subject", AT, "causation", "correlation", None, 1)
    return LogRow(place, ends, kind, b"key", b"value", *headers, None, None, None)

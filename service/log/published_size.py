"""How large an entry of the log is once it is published, known before it is written."""

from collections.abc import Iterable

from events.topics import DEAD_LETTERS_TOPIC, EVENTS_TOPIC, PARKED_TOPIC, REPLIES_TOPIC, TOPICS
from service.log.entries import DeadLetterEntry, EventEntry, LogEntry, NoticeEntry, ReplyEntry

LARGEST_PUBLISHED = min(
    topic.largest for topic in TOPICS if topic.name in {EVENTS_TOPIC, REPLIES_TOPIC, DEAD_LETTERS_TOPIC, PARKED_TOPIC}
)
"""Bytes of the largest entry that the topics take."""
FRAME_BYTES = 128
"""More than a batch of one record adds to its key, value and headers."""
HEADER_BYTES = 10
"""More than a header adds to its name and its value."""
NAMED_BYTES = 1024
"""More than the names of all headers that we write, and the values whose length is known."""
CHARACTER_BYTES = 4
"""Of one character in UTF-8, at most."""


def published_size(entry: LogEntry) -> int:
    """Return how many bytes an entry has on its topic: never fewer than it has, and few more."""
    own = FRAME_BYTES + NAMED_BYTES
    match entry:
        case EventEntry():
            return own + len(entry.body) + _characters((entry.invoice_number * 3, entry.name, *entry.trace))
        case ReplyEntry():
            texts = (entry.id, entry.name, entry.subject, *entry.trace)
            return own + len(entry.record_key or b"") + len(entry.value) + _characters(texts)
        case DeadLetterEntry():
            headers = sum(HEADER_BYTES + len(name) + len(value or b"") for name, value in entry.headers)
            body = len(entry.record_key or b"") + len(entry.value or b"")
            return own + body + headers + _characters((entry.reason, entry.error, entry.topic))
        case NoticeEntry():
            texts = (entry.id, entry.name, entry.invoice_number * 2, *entry.trace)
            return own + len(entry.value) + _characters(texts)


def _characters(texts: Iterable[str | None]) -> int:
    return sum(len(text or "") for text in texts) * CHARACTER_BYTES

"""How large an entry of the log is once it is published, known before it is written."""

from events.topics import DEAD_LETTERS_TOPIC, EVENTS_TOPIC, PARKED_TOPIC, REPLIES_TOPIC, TOPICS
from events.trace import Trace
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
            number, _, name, body, _, trace = entry
            return own + len(body) + CHARACTER_BYTES * (3 * len(number) + len(name) + _characters(trace))
        case ReplyEntry():
            _, _, id_, name, key, subject, value, _, trace, _ = entry
            texts = len(id_) + len(name) + len(subject or "") + _characters(trace)
            return own + len(key or b"") + len(value) + CHARACTER_BYTES * texts
        case DeadLetterEntry():
            headers = sum(HEADER_BYTES + len(name) + len(value or b"") for name, value in entry.headers)
            body = len(entry.record_key or b"") + len(entry.value or b"")
            texts = len(entry.reason) + len(entry.error) + len(entry.topic)
            return own + body + headers + CHARACTER_BYTES * texts
        case NoticeEntry(id=id_, name=name, invoice_number=number, value=value, trace=trace):
            texts = len(id_) + len(name) + 2 * len(number) + _characters(trace)
            return own + len(value) + CHARACTER_BYTES * texts


def _characters(trace: Trace) -> int:
    return len(trace.causation) + len(trace.correlation) + len(trace.traceparent or "")

"""What is known of an entry's size before it is written, and what it has once it is published."""

from typing import Any

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from hypothesis import given
from hypothesis import strategies as st

from events.trace import Trace
from service.log.entries import DeadLetterEntry, EventEntry, LogEntry, NoticeEntry, ReplyEntry
from service.log.published_size import published_size
from service.relay.messages import outgoing_record
from service.store.log_tables import LogRow
from tests.service.support.rows import AT

LENGTHS = st.sampled_from([1, 1, 40])
"""How often a part is repeated: one that was left out must not hide in what is allowed for names."""
TEXT = st.builds(str.__mul__, st.text(st.characters(exclude_categories=["Cs"]), max_size=256), LENGTHS)
TRACE = st.builds(Trace, TEXT, TEXT, st.none() | st.just("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"))
NAMES = st.sampled_from(["CommandRefused.v1", "PostingStatusChanged.v1"])
BYTES = st.builds(bytes.__mul__, st.binary(max_size=100), st.sampled_from([1, 1, 2000]))
NUMBER = st.text("0123456789", min_size=20, max_size=20)
EVENTS = st.builds(EventEntry, NUMBER, st.integers(1, 1 << 40), NAMES, BYTES, st.just(AT), TRACE)
REPLIES = st.builds(
    ReplyEntry,
    st.none(),
    st.none(),
    TEXT,
    NAMES,
    st.none() | BYTES,
    st.none() | NUMBER,
    BYTES,
    st.just(AT),
    TRACE,
    st.just(0),
)
DEAD_LETTERS = st.builds(
    DeadLetterEntry,
    st.booleans(),
    st.just("invoice.commands.customer"),
    st.integers(0, 1 << 31),
    st.integers(0, 1 << 62),
    st.just("UNDECODABLE_RECORD"),
    TEXT,
    st.just(AT),
    st.none() | BYTES,
    st.none() | BYTES,
    st.lists(st.tuples(TEXT.map(str.encode), st.none() | BYTES), max_size=20),
)
NOTICES = st.builds(NoticeEntry, st.booleans(), TEXT, st.just("CommandReleased.v1"), NUMBER, BYTES, st.just(AT), TRACE)


def row(entry: LogEntry) -> LogRow:
    """Return what a relay reads of an entry."""
    ends = True
    match entry:
        case EventEntry(trace=trace):
            number, version = entry.invoice_number, entry.version
            columns = (number, entry.occurred_at, trace.causation, trace.correlation, trace.traceparent, version)
            return LogRow(1, ends, "event", number.encode(), entry.body, entry.name, "", *columns, None, None, None)
        case ReplyEntry(trace=trace):
            columns = (entry.subject, entry.sent_at, trace.causation, trace.correlation, trace.traceparent, None)
            own = (entry.record_key, entry.value, entry.name, entry.id)
            return LogRow(1, ends, "reply", *own, *columns, None, None, entry.digest)
        case DeadLetterEntry():
            own = [entry.reason, entry.error, entry.topic, str(entry.partition), str(entry.offset)]
            names = [b"dl_reason", b"dl_error", b"dl_topic", b"dl_partition", b"dl_offset"]
            headers: list[Any] = [
                [name for name, _ in entry.headers] + names,
                [v for _, v in entry.headers] + [o.encode() for o in own],
            ]
            columns = (None, entry.buried_at, "", "", None, None)
            return LogRow(
                1, ends, "dead letter", entry.record_key, entry.value, "", "", *columns, *headers, digest=None
            )
        case NoticeEntry(trace=trace):
            number = entry.invoice_number
            columns = (number, entry.sent_at, trace.causation, trace.correlation, trace.traceparent, None)
            own = (number.encode(), entry.value, entry.name, entry.id)
            return LogRow(1, ends, "notice", *own, *columns, None, None, None)


@given(EVENTS | REPLIES | DEAD_LETTERS | NOTICES)
def test_an_entry_is_never_larger_than_was_known_before_and_little_smaller(entry: LogEntry) -> None:
    published = outgoing_record(row(entry), 0)
    batch = DefaultRecordBatchBuilder(2, 0, 1, 1, 1, 1, 1 << 26)
    batch.append(0, 1, published.key, published.value, list(published.headers))
    size = len(batch.build())
    assert size <= published_size(entry)
    assert published_size(entry) <= 4 * size + 2048

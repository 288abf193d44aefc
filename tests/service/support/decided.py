"""The worker's decisions on records as a client writes and reads them, without its servers."""

from datetime import UTC, datetime

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from events.catalogue import read_event
from events.topics import DEAD_LETTERS_TOPIC, EVENTS_TOPIC, PARKED_TOPIC, REPLIES_TOPIC, TOPICS
from service.invoice.claim_overlay import Overlay
from service.log.entries import DeadLetterEntry, EventEntry, LogEntry, NoticeEntry, ReplyEntry
from service.worker.answering import answer_batch
from service.worker.memory import Memory
from service.worker.reading import Received
from tests.faults.support.hurt_records import CODECS, Hurt
from tests.service.support.records import as_read

ENVELOPE_BYTES = 64 * 1024
"""More than the headers and the framing of any message of Redletter's."""
MAX_KEPT_REPLIES = 2000
"""Replies that are kept for a command that comes again."""
LARGEST = {topic.name: topic.largest for topic in TOPICS}
NOW = int(datetime(2026, 2, 14, 1, 30, tzinfo=UTC).timestamp() * 1000)
"""Milliseconds since 1970: when the broker took every record."""


def decoded(record: Hurt, offset: int) -> ConsumerRecord[bytes | None, bytes | None]:
    """Write a record as a producer does, in a batch of its own, and read it as the Kafka client does."""
    writing = DefaultRecordBatchBuilder(2, CODECS.index(record.codec), 0, -1, -1, -1, 1 << 26)
    assert writing.append(0, NOW, record.key, record.value, list(record.headers))
    batch = MemoryRecords(bytes(writing.build()))
    partition = TopicPartition(record.topic, 0)
    (read_back,) = PartitionRecords(partition, batch, [], 0, None, None, check_crcs=True, isolation_level=0)
    read_back.offset = offset
    return read_back


class Deciding:
    """The worker's decisions, without its servers."""

    def __init__(self) -> None:
        self._memory = Memory({}, {}, Overlay({}))

    def take(self, record: ConsumerRecord[bytes | None, bytes | None]) -> list[LogEntry]:
        """Decide one record, check what is written, and return it."""
        self._forget()
        received = as_read(record)
        (answer,) = answer_batch([received], self._memory)
        entries = list(answer.entries)
        replies = [entry for entry in entries if isinstance(entry, ReplyEntry)]
        dead = [entry for entry in entries if isinstance(entry, DeadLetterEntry)]
        if isinstance(received, Received):
            assert (len(replies), dead) == (1, []), (record, entries)
        else:
            assert [entry.reason for entry in dead] == [received.reason]
            assert received.reason in {"MALFORMED_COMMAND", "TOO_LARGE"}
            known = received.envelope.id is not None and received.envelope.source is not None
            assert (len(replies), dead[0].answered) == (int(known), known)
        for entry in entries:
            assert_publishable(entry)
        return entries

    def _forget(self) -> None:
        """Forget the oldest replies, which would grow without end."""
        for key in [*self._memory.earlier][:-MAX_KEPT_REPLIES]:
            del self._memory.earlier[key]


def assert_publishable(entry: LogEntry) -> None:
    """Check that Kafka takes an entry for its size, and PostgreSQL for its text."""
    match entry:
        case EventEntry():
            topic, parts = EVENTS_TOPIC, [entry.body]
            texts = [*entry.trace]
            assert read_event(entry.name, entry.body).invoice_number == entry.invoice_number
        case ReplyEntry():
            topic, parts = REPLIES_TOPIC, [entry.record_key, entry.value]
            texts = [entry.subject, *entry.trace]
        case NoticeEntry():
            topic, parts = PARKED_TOPIC, [entry.value]
            texts = [entry.id, *entry.trace]
        case DeadLetterEntry():
            topic, parts = (
                DEAD_LETTERS_TOPIC,
                [entry.record_key, entry.value, *(part for pair in entry.headers for part in pair)],
            )
            texts = [entry.error, entry.reason]
            assert len(entry.error.encode()) <= 4096
    written = [text.encode() for text in texts if text is not None]
    assert not any(b"\0" in text for text in written)
    assert max(map(len, written), default=0) <= 4096
    assert sum(len(part or b"") for part in parts) + ENVELOPE_BYTES < LARGEST[topic]

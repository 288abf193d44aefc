"""Whatever is sent ends as exactly one reply, one dead letter, or both; and its neighbours are decided as ever."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import psutil
from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from events.catalogue import read_event
from events.topics import DEAD_LETTERS_TOPIC, EVENTS_TOPIC, PARKED_TOPIC, REPLIES_TOPIC, TOPICS
from service.invoice.overlay import Overlay
from service.log.entries import DeadLetterEntry, EventEntry, LogEntry, NoticeEntry, ReplyEntry
from service.worker.answering import answer_batch
from service.worker.memory import Memory
from service.worker.reading import Received
from tests.faults.support.anything import CODECS, Anything, Hurt
from tests.faults.support.evidence import answer_of
from tests.faults.support.load import Answer, Sent, scripts
from tests.service.support.records import as_read

SEED = int(os.environ.get("REDLETTER_TESTS_SEED", "1"))
SCALE = int(os.environ.get("REDLETTER_TESTS_SCALE", "1"))
DECODED = 20_000 * SCALE if SCALE > 1 else 10_000
MOST_MEMORY = 400 * 1024 * 1024
"""Bytes that a role may have resident."""
ENVELOPE_BYTES = 64 * 1024
"""More than the headers and the framing of any message of Redletter's."""
MOST_REPLIES = 2000
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
        for key in [*self._memory.earlier][:-MOST_REPLIES]:
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


def neighbours() -> Iterator[Sent]:
    """Yield valid commands without end, of invoices of their own, each with the answer that it must get."""
    first = 1
    while True:
        for script in scripts(50, first=first):
            yield from script.steps
        first += 50


def test_whatever_is_decoded_ends_as_a_reply_or_a_dead_letter_and_harms_no_neighbour() -> None:
    deciding, valid, before = Deciding(), neighbours(), psutil.Process().memory_info().rss
    accepted = 0
    for offset, record in enumerate(Anything(SEED).records(DECODED)):
        deciding.take(decoded(record, offset))
        if offset % 5 == 0:
            sent = next(valid)
            neighbour = Hurt(sent.topic, sent.key, sent.value, sent.headers, record.codec)
            assert answered(deciding.take(decoded(neighbour, DECODED + offset))) == sent.answer
            accepted += sent.answer is not None and sent.answer.code is None
    assert accepted > DECODED / 20
    assert psutil.Process().memory_info().rss - before < MOST_MEMORY


def answered(entries: list[LogEntry]) -> Answer:
    """Return what the one reply says."""
    (reply,) = (entry for entry in entries if isinstance(entry, ReplyEntry))
    body: dict[str, Any] = json.loads(reply.value)
    return answer_of(body)

"""What the topics hold of the log: published records, as the entries that they were, at their places."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from aiokafka import TopicPartition

from events.catalogue import name_of, read_reply, stored_name
from events.log_headers import digest_of_command, place_in_log
from events.notices import CommandReleased
from events.replies import record_of, reply_id
from events.topics import DEAD_LETTERS_TOPIC, EVENTS_TOPIC, PARKED_TOPIC, REPLIES_TOPIC
from events.trace import Trace
from service.log.entries import DeadLetterEntry, EventEntry, LogEntry, NoticeEntry, ReplyEntry
from service.store.log_tables import Placed
from service.store.newer_releases import read_known
from service.worker.reading import idempotency_key
from transport.clients.kafka import topic_reader
from transport.records import ConsumerRecord, KafkaRecord, Undecodable

_FIRST_LOOK_RECORDS = 1_000
"""Records of a topic to look at first, from its end; as many again as were looked at, each time that is not enough."""
_COMPARED_PLACES = 1_000
"""Places before a gap whose records are kept, to be compared with the log."""
_LETTER_HEADERS = ("dl_reason", "dl_error", "dl_topic", "dl_partition", "dl_offset", "dl_time")
"""What follows the headers of a dead letter's record, in this order."""


_time = datetime.fromisoformat


ReadingProgress = Callable[[int, int], None]
"""Called with (records read, offsets to read)."""


class CannotRebuild(Exception):
    """The topics do not hold enough to rebuild what the log lacks; the message says what is missing."""


class Suffix(NamedTuple):
    """The end of a partition of the log, as it was published.

    entries: those behind the last that the log has. before: records of entries that it has, by place, some of the last.
    """

    entries: Sequence[Placed[LogEntry]]
    before: Mapping[int, ConsumerRecord]


async def published_behind(kafka: str, gaps: Mapping[int, range], progress: ReadingProgress) -> Mapping[int, Suffix]:
    """Return what was published of partitions of the log, each at the places that it lacks there.

    Dead letters keep the headers of their records and say no place: they have the places that are left. Raises:
    CannotRebuild, ProgramTooOld, KafkaError.
    """

    def near(one: TopicPartition, record: ConsumerRecord) -> bool:
        return _place(record) >= gaps[one.partition].start - _COMPARED_PLACES

    def reaches(one: TopicPartition, look: Sequence[ConsumerRecord], _: Sequence[ConsumerRecord]) -> bool:
        return bool(look) and _place(look[0]) < gaps[one.partition].start

    def enough(one: TopicPartition, _: Sequence[ConsumerRecord], records: Sequence[ConsumerRecord]) -> bool:
        return len(records) >= len(left[one.partition])

    found: dict[int, dict[int, ConsumerRecord]] = {partition: {} for partition in gaps}
    said = (EVENTS_TOPIC, REPLIES_TOPIC, PARKED_TOPIC)
    of_said = [TopicPartition(topic, partition) for topic in said for partition in gaps]
    for one, records in (await last_records(kafka, of_said, Wanted(near, reaches), progress)).items():
        found[one.partition] |= {_place(record): record for record in records}
    left = {partition: [place for place in gap if place not in found[partition]] for partition, gap in gaps.items()}
    of_letters = [TopicPartition(DEAD_LETTERS_TOPIC, partition) for partition, places in left.items() if places]
    for one, records in (await last_records(kafka, of_letters, Wanted(lambda *_: True, enough), progress)).items():
        places = left[one.partition]
        if len(records) < len(places):
            raise _gone(one.partition, len(places) - len(records))
        found[one.partition] |= dict(zip(places, records[-len(places) :], strict=True))
    return {partition: _suffix(partition, gap, found[partition]) for partition, gap in gaps.items()}


def _gone(partition: int, entries: int) -> CannotRebuild:
    return CannotRebuild(
        f"partition {partition}: {entries} entries that the log lacks are not on the topics: they were deleted there, "
        "or published by a release that did not say their places"
    )


def _suffix(partition: int, gap: range, found: Mapping[int, ConsumerRecord]) -> Suffix:
    entries = [_entry(found[place]) for place in gap]
    answered = map(_answered, entries, [*entries[1:], None])
    return Suffix(
        [Placed(partition, place, entry) for place, entry in zip(gap, answered, strict=True)],
        {place: record for place, record in found.items() if 0 < place < gap.start},
    )


async def read_ranges(
    kafka: str, ranges: Mapping[TopicPartition, range], progress: ReadingProgress
) -> Mapping[TopicPartition, Sequence[KafkaRecord]]:
    """Return the records of partitions in ranges of offsets, as far as they were not deleted. Raises: KafkaError."""
    records: dict[TopicPartition, list[KafkaRecord]] = {one: [] for one in ranges}
    async with topic_reader(kafka, "reconcile") as consumer:
        starts = await consumer.beginning_offsets(list(ranges))
        kept = {one: range(max(asked.start, starts[one]), asked.stop) for one, asked in ranges.items()}
        wanted = {one: offsets for one, offsets in kept.items() if offsets}
        consumer.assign(list(wanted))
        for one, offsets in wanted.items():
            consumer.seek(one, offsets.start)
        total = sum(map(len, wanted.values()))
        while remaining := [one for one, offsets in wanted.items() if await consumer.position(one) < offsets.stop]:
            for one, some in (await consumer.getmany(*remaining, timeout_ms=200)).items():
                records[one] += (record for record in some if record.offset < wanted[one].stop)
            progress(sum(map(len, records.values())), total)
    return records


class Wanted(NamedTuple):
    """Which of the last records are wanted.

    keeps: whether a record is kept. enough: whether no more are needed, after a look that found the first records, and
    with the second ones kept of all looks.
    """

    keeps: Callable[[TopicPartition, ConsumerRecord], bool]
    enough: Callable[[TopicPartition, Sequence[ConsumerRecord], Sequence[ConsumerRecord]], bool]


async def last_records(
    kafka: str, partitions: Sequence[TopicPartition], wanted: Wanted, progress: ReadingProgress
) -> Mapping[TopicPartition, Sequence[ConsumerRecord]]:
    """Return the last records of partitions, of each so many that they are enough, or all that there are.

    Each record is read once.
    """
    found: dict[TopicPartition, Sequence[ConsumerRecord]] = {}
    async with topic_reader(kafka, "reconcile") as consumer:
        starts, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
    asked, many = {one: ends[one] for one in partitions}, _FIRST_LOOK_RECORDS
    while asked:
        ranges = {one: range(max(starts[one], ends[one] - many), stop) for one, stop in asked.items()}
        asked = {}
        for one, records in (await read_ranges(kafka, ranges, progress)).items():
            look = [record for record in records if not isinstance(record, Undecodable)]
            found[one] = [*(record for record in look if wanted.keeps(one, record)), *found.get(one, ())]
            if ranges[one].start > starts[one] and not wanted.enough(one, look, found[one]):
                asked[one] = ranges[one].start
        many *= 2
    return found


async def newest_events(
    kafka: str, offsets: Mapping[TopicPartition, int], progress: ReadingProgress
) -> Mapping[str, tuple[int, EventEntry]]:
    """Return the last event of each invoice that has any from these offsets on, and its partition.

    Raises: KafkaError.
    """
    async with topic_reader(kafka, "reconcile") as consumer:
        ends = await consumer.end_offsets(list(offsets))
    ranges = {one: range(offset, ends[one]) for one, offset in offsets.items()}
    newest: dict[str, tuple[int, EventEntry]] = {}
    for one, records in (await read_ranges(kafka, ranges, progress)).items():
        for record in records:
            if not isinstance(record, Undecodable) and record.value is not None and _place(record):
                entry = _entry(record)
                if isinstance(entry, EventEntry):
                    newest[entry.invoice_number] = (one.partition, entry)
    return newest


def _entry(record: ConsumerRecord) -> LogEntry:
    headers = dict(record.headers)
    if record.topic == DEAD_LETTERS_TOPIC:
        return _dead_letter(record)
    if record.value is None:
        msg = f"{_text(headers, 'ce_id')} was too large for Kafka, which has only a stand-in of it"
        raise CannotRebuild(msg)
    name, at, trace = stored_name(_text(headers, "ce_type")), _time(_text(headers, "ce_time")), _trace(headers)
    if record.topic == EVENTS_TOPIC:
        version = int(_text(headers, "ce_invoiceversion"))
        return EventEntry(_text(headers, "ce_subject"), version, name, record.value, at, trace)
    if record.topic == PARKED_TOPIC:
        released = name == name_of(CommandReleased)
        return NoticeEntry(
            released, _text(headers, "ce_id"), name, _text(headers, "ce_subject"), record.value, at, trace
        )
    id_, digest = _text(headers, "ce_id"), digest_of_command(headers)
    topic, came_by, _ = record_of(id_)
    key = None
    if digest is not None:
        reply = read_known(read_reply, name, record.value)
        key = idempotency_key(topic, reply.command_source, reply.command_id)
    subject = _text(headers, "ce_subject") if "ce_subject" in headers else None
    return ReplyEntry(key, digest, id_, name, record.key, subject, record.value, at, trace, came_by)


def _trace(headers: Mapping[str, bytes | None]) -> Trace:
    traceparent = _text(headers, "traceparent") if "traceparent" in headers else None
    return Trace(_text(headers, "ce_causationid"), _text(headers, "ce_correlationid"), traceparent)


def _dead_letter(record: ConsumerRecord) -> DeadLetterEntry:
    own, ours = record.headers[: -len(_LETTER_HEADERS)], record.headers[-len(_LETTER_HEADERS) :]
    if tuple(name for name, _ in ours) != _LETTER_HEADERS:
        msg = f"the dead letter at {record.partition}, {record.offset} was too large for Kafka, which has a stand-in"
        raise CannotRebuild(msg)
    reason, error, topic, partition, offset, time = (value.decode() for _, value in ours)
    return DeadLetterEntry(
        answered=False,
        topic=topic,
        partition=int(partition),
        offset=int(offset),
        reason=reason,
        error=error,
        buried_at=_time(time),
        record_key=record.key,
        value=record.value,
        headers=[(name.encode(), value) for name, value in own],
    )


def _answered(entry: LogEntry, following: LogEntry | None) -> LogEntry:
    """Say of a dead letter whether the reply to its record follows it."""
    if not isinstance(entry, DeadLetterEntry) or not isinstance(following, ReplyEntry):
        return entry
    return replace(entry, answered=following.id == reply_id(entry.topic, entry.partition, entry.offset))


def _place(record: ConsumerRecord) -> int:
    """Return the place that a record says, 0 if it says none."""
    return place_in_log(dict(record.headers)) or 0


def _text(headers: Mapping[str, bytes | None], name: str) -> str:
    return (headers[name] or b"").decode()

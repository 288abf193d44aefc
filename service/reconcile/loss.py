"""What a log that came back older lacks of what was published of it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from aiokafka import TopicPartition
from psycopg import Connection
from psycopg.rows import TupleRow

from events.names import RELAY_GROUP, WORKER_GROUP
from events.notices import reply_of
from events.replies import record_of
from events.topics import RELAY_TOPIC
from service.log.entries import DeadLetterEntry, EventEntry, LogEntry, NoticeEntry, ReplyEntry
from service.reconcile.published import CannotRebuild, ReadingProgress, Suffix, published_behind, read_ranges
from service.store import log_tables, repair_rows
from service.store.log_reader import GENESIS, LogDiffers, LogPosition, rows_behind
from service.store.log_tables import LogRow, Placed
from transport import positions
from transport.newest_record import newest_values
from transport.producer import FencedProducers
from transport.records import ConsumerRecord, KafkaRecord


@dataclass(frozen=True, slots=True)
class Loss:
    """What the log lacks, and what was read of the command topics since the positions that it has.

    last_places: of all partitions of the log, as found. ends: the position that each incomplete one is published up to.
    entries: the missing ones, in order. starts: the worker's positions in the partitions that missing entries came by.
    records: from there to the last record that a missing entry came of.
    """

    last_places: Mapping[int, int]
    ends: Mapping[int, LogPosition]
    entries: Sequence[Placed[LogEntry]]
    starts: Mapping[TopicPartition, int]
    records: Mapping[TopicPartition, Sequence[KafkaRecord]]

    def fits(self, last_places: Mapping[int, int]) -> bool:
        """Return whether the incomplete partitions still end where they did; the others may have grown."""
        return all(last_places[partition] == self.last_places[partition] for partition in self.ends)


async def fence_relays(kafka: str, partitions: int) -> None:
    """End what relays have begun to publish: only what is committed already can be on the topics afterwards.

    Relays that run start again, and compare their log first. Raises: KafkaError.
    """
    producers = FencedProducers(kafka, RELAY_GROUP)
    try:
        await producers.own(frozenset(range(partitions)))
    finally:
        await producers.close()


async def find_loss(connection: Connection[TupleRow], kafka: str, progress: ReadingProgress) -> Loss:
    """Compare the log with what was published of it, and read what it lacks.

    Raises: CannotRebuild where it differs in another way than by lacking the end; ProgramTooOld; KafkaError,
    psycopg.Error.
    """
    last_places: dict[int, int] = dict(connection.execute(log_tables.LAST_PLACES).fetchall())
    published = await _published(connection, kafka, last_places)
    ends = {partition: at for partition, at in published.items() if at.place > last_places[partition]}
    gaps = {partition: range(last_places[partition] + 1, end.place + 1) for partition, end in ends.items()}
    entries: list[Placed[LogEntry]] = []
    for partition, suffix in (await published_behind(kafka, gaps, progress)).items():
        _refuse_other_entries(connection, partition, suffix)
        entries += suffix.entries
    done = processed([one.entry for one in entries])
    with connection.cursor() as cur:
        stood = dict.fromkeys(done, 0) | {
            one: position.next for one, position in positions.standing(cur, WORKER_GROUP, done).items()
        }
    ahead = {one: range(stood[one], max(offsets) + 1) for one, offsets in done.items() if max(offsets) >= stood[one]}
    records = await read_ranges(kafka, ahead, progress)
    return Loss(last_places, ends, entries, {one: offsets.start for one, offsets in ahead.items()}, records)


async def _published(
    connection: Connection[TupleRow], kafka: str, last_places: Mapping[int, int]
) -> dict[int, LogPosition]:
    """Return up to where each partition is published; what the log has of that is what was published."""
    newest = await newest_values(kafka, [TopicPartition(RELAY_TOPIC, partition) for partition in last_places])
    noted: dict[int, int] = dict(connection.execute(log_tables.NOTED).fetchall())
    found: dict[int, LogPosition] = {}
    for partition, last in last_places.items():
        value = newest.get(TopicPartition(RELAY_TOPIC, partition))
        found[partition] = position = GENESIS if value is None else LogPosition.read(value)
        try:
            position.refuse_older(partition, noted[partition])
            if position.place <= last:
                with connection.cursor() as cur:
                    rows_behind(partition, position, repair_rows.rows_at(cur, partition, [position.place]))
        except LogDiffers as error:
            msg = f"{error}; this command rebuilds only what a log lacks at its end"
            raise CannotRebuild(msg) from error
    return found


def _refuse_other_entries(connection: Connection[TupleRow], partition: int, suffix: Suffix) -> None:
    """Refuse a log that was written to after it came back older: where it has entries, others were published.

    Raises: CannotRebuild.
    """
    with connection.cursor() as cur:
        others = other_entries(repair_rows.rows_at(cur, partition, suffix.before), suffix.before)
        newest = repair_rows.newest_letter(cur, partition)
    if others:
        msg = (
            f"partition {partition} of the log has at {others[0]} another entry than was published: "
            "restore the same copy again, and reconcile before a worker decides on it"
        )
        raise CannotRebuild(msg)
    if newest in letters(suffix.entries):
        msg = f"partition {partition}: entries behind {suffix.entries[0].place} were deleted from the topics"
        raise CannotRebuild(msg)


def other_entries(rows: Iterable[LogRow], published: Mapping[int, ConsumerRecord]) -> list[int]:
    """Return the places of rows where something else was published; what was too large for Kafka tells nothing."""
    records = [(row, published[row.place]) for row in rows]
    return [
        row.place
        for row, record in records
        if record.value is not None and (row.key, row.value) != (record.key, record.value)
    ]


def letters(entries: Iterable[Placed[LogEntry]]) -> set[tuple[str, int, int, datetime]]:
    """Return the dead letters among entries, as `repair_rows.newest_letter` does; the log has none of them.

    They were taken from the end of their topic, so that the log's last one is among them if some behind it are gone.
    """
    found = (one.entry for one in entries)
    return {
        (entry.topic, entry.partition, entry.offset, entry.buried_at)
        for entry in found
        if isinstance(entry, DeadLetterEntry)
    }


def processed(entries: Sequence[LogEntry]) -> dict[TopicPartition, set[int]]:
    """Return the offsets of the records that entries came of, each answered, buried or parked."""
    found: dict[TopicPartition, set[int]] = defaultdict(set)
    for topic, partition, offset in filter(None, map(record_behind, entries)):
        found[TopicPartition(topic, partition)].add(offset)
    return found


def record_behind(entry: LogEntry) -> tuple[str, int, int] | None:
    """Return topic, partition and offset of the record that an entry came of; None for an event."""
    match entry:
        case ReplyEntry(id=id_):
            return record_of(id_)
        case DeadLetterEntry():
            return entry.topic, entry.partition, entry.offset
        case NoticeEntry(id=id_):
            return record_of(reply_of(id_))
        case EventEntry():
            return None

"""The records of dead letters, read from their topic, where they are kept byte for byte."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping

from aiokafka import TopicPartition

from events.sealing import SEALED_BEGINNING, SEALED_HEADER
from events.topics import DEAD_LETTERS_TOPIC
from projections.dead_letters.queries import DeadLetter, RecordPlace
from transport.clients.stepping_consumer import SteppingConsumer
from transport.records import ConsumerRecord, OutgoingRecord, Undecodable

_HEADERS_ONLY = frozenset({"TOO_LARGE", "UNDECODABLE_RECORD"})
"""Reasons of dead letters that say where a record lay, and nothing of what it said."""
_ADDED = ("dl_reason", "dl_error", "dl_topic", "dl_partition", "dl_offset", "dl_time")
"""The last headers of a dead letter, in this order; the record's own may bear the same names."""
_ANSWER_SECONDS = 10.0
_MAX_GAP = 500
"""Offsets to read over, rather than to seek, on the way to the next dead letter."""


class NoAnswer(Exception):
    """Kafka does not hand out records that it says are there."""


async def read_letters(
    consumer: SteppingConsumer, letters: Iterable[DeadLetter]
) -> Mapping[RecordPlace, ConsumerRecord]:
    """Return the records of dead letters; those that the topic no longer keeps are left out.

    Raises: NoAnswer, KafkaError.
    """
    wanted: dict[TopicPartition, dict[int, RecordPlace]] = defaultdict(dict)
    for letter in letters:
        wanted[TopicPartition(DEAD_LETTERS_TOPIC, letter.letter_partition)][letter.letter_offset] = letter.place
    found: dict[RecordPlace, ConsumerRecord] = {}
    for partition, places in wanted.items():
        found |= await _read_partition(consumer, partition, places)
    return found


def original(letter: ConsumerRecord, place: RecordPlace) -> OutgoingRecord | None:
    """Return the record that became a dead letter, byte for byte, for the partition that it came from.

    None if the dead letter does not have the whole record, or its value is sealed.
    """
    kept, added = own_headers(letter), dict(letter.headers[-len(_ADDED) :])
    if sealed_under(letter):
        return None
    if tuple(added) != _ADDED or (added["dl_reason"] or b"").decode() in _HEADERS_ONLY:
        return None
    return OutgoingRecord(place.topic, letter.key, letter.value, kept, place.partition)


def own_headers(letter: ConsumerRecord) -> list[tuple[str, bytes | None]]:
    """Return the headers of the record that became a dead letter."""
    return list(letter.headers[: -len(_ADDED)])


def sealed_under(letter: ConsumerRecord) -> str | None:
    """Return what the key of a dead letter is called, if its value is sealed: the last of the record's headers."""
    *_, (name, key) = own_headers(letter) or [("", None)]
    is_sealed = name == SEALED_HEADER and (letter.value or b"").startswith(SEALED_BEGINNING)
    return key.decode(errors="replace") if is_sealed and key else None


def _is_of(letter: ConsumerRecord, place: RecordPlace) -> bool:
    """Return whether a record is the dead letter of a place; it is not where the topic was created again."""
    headers = dict(letter.headers)
    names = ("dl_topic", "dl_partition", "dl_offset")
    return [headers.get(name) for name in names] == [str(part).encode() for part in place]


async def _read_partition(
    consumer: SteppingConsumer, partition: TopicPartition, places: Mapping[int, RecordPlace]
) -> Mapping[RecordPlace, ConsumerRecord]:
    consumer.assign([partition])
    start = (await consumer.beginning_offsets([partition]))[partition]
    end = (await consumer.end_offsets([partition]))[partition]
    found: dict[RecordPlace, ConsumerRecord] = {}
    left = sorted((offset for offset in places if start <= offset < end), reverse=True)
    position: int | None = None
    while left:
        if position is None or left[-1] - position > _MAX_GAP:
            consumer.seek(partition, left[-1])
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                records = await _next_records(consumer, partition)
        except TimeoutError as error:
            msg = f"Kafka does not hand out {partition.topic}[{partition.partition}] from offset {left[-1]}"
            raise NoAnswer(msg) from error
        for record in records:
            place = places.get(record.offset)
            if place and not isinstance(record, Undecodable) and _is_of(record, place):
                found[place] = record
        position = await consumer.position(partition)
        while left and left[-1] < position:
            left.pop()
    return found


async def _next_records(consumer: SteppingConsumer, partition: TopicPartition) -> list[ConsumerRecord]:
    before = await consumer.position(partition)
    while not (came := await consumer.getmany(timeout_ms=500)):
        if await consumer.position(partition) > before:
            return []
    return came[partition]

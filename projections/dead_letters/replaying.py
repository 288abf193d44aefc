"""Replay dead letters: send their records again to where they came from, each exactly once.

Before a Kafka transaction sends some records, PostgreSQL stores which, under the transaction's name. The transaction
leaves a mark with that name. So whoever comes after a process that died between the two can tell whether it was
committed: the mark says so, and the dead process is fenced.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import NamedTuple
from uuid import UUID, uuid4

from aiokafka import TopicPartition
from psycopg import Connection
from psycopg.rows import TupleRow

from events.topics import DEAD_LETTERS_TOPIC
from projections.dead_letters.handling import begin_replay, end_replay, forget_replays
from projections.dead_letters.queries import DeadLetter, LetterFilter, RecordPlace, find_letters
from projections.dead_letters.records import original, read_letters
from transport.addresses import Addresses
from transport.advisory_lock import exclusive
from transport.clients.kafka import topic_reader
from transport.clients.stepping_consumer import SteppingConsumer
from transport.marks import MAX_MARKED_RECORDS, MarkPlace, newest_mark
from transport.producer import TransactionalProducer
from transport.records import ConsumerRecord, OutgoingRecord

REPLAY_NAME = "redletter.dead-letters"
"""The transactional id, and the group of the mark."""
_MARK = MarkPlace(REPLAY_NAME, TopicPartition(DEAD_LETTERS_TOPIC, 0))
_ROLE = "dead-letters"
REPLAY_RIGHT = ("redletter dead letters", "replay")


OpenLetters = Callable[[Mapping[RecordPlace, ConsumerRecord]], Mapping[RecordPlace, ConsumerRecord]]
"""Returns dead letters with their values as they came."""


class ReplayRunning(Exception):
    """Another process is replaying dead letters."""

    def __init__(self) -> None:
        super().__init__("another process is replaying dead letters; wait for it to end")


class Replay(NamedTuple):
    """What a replay did. incomplete: places of dead letters that do not have the whole record, or are no longer kept.

    again: places of records that a replay has sent and that were unreadable again; only by name are they sent again.
    """

    replayed: list[RecordPlace]
    incomplete: list[RecordPlace]
    again: list[RecordPlace]


async def replay(
    addresses: Addresses, wanted: LetterFilter, *, by: str, opened: OpenLetters = lambda letters: letters
) -> Replay:
    """Send the records of undecided dead letters again, partition by partition in the order in which they were sent.

    opened: opens those whose values were sealed. Raises: ReplayRunning, NoAnswer, Fenced, KafkaError, psycopg.Error.
    What was replayed until then stays so; the next replay continues.
    """
    with exclusive(addresses.database, _ROLE, REPLAY_RIGHT, ReplayRunning()) as connection:
        producer = TransactionalProducer(addresses.kafka, REPLAY_NAME)
        await producer.start()
        try:
            await _settle(connection, addresses.kafka)
            async with topic_reader(addresses.kafka, _ROLE) as consumer:
                return await _replay_all(connection, consumer, producer, wanted, by, opened)
        finally:
            await producer.stop()


async def _settle(connection: Connection[TupleRow], kafka: str) -> None:
    """Store which transactions of earlier processes were committed. Those processes are fenced by now."""
    mark = await newest_mark(kafka, _MARK)
    with connection.transaction(), connection.cursor() as cur:
        if mark:
            end_replay(cur, UUID(mark.name), mark.offsets)
        forget_replays(cur)


async def _replay_all(  # noqa: PLR0913, PLR0917 - what it reads from and writes to
    connection: Connection[TupleRow],
    consumer: SteppingConsumer,
    producer: TransactionalProducer,
    wanted: LetterFilter,
    by: str,
    opened: OpenLetters,
) -> Replay:
    with connection.cursor() as cur:
        letters = find_letters(cur, replace(wanted, undecided=True))
    done = Replay([], [], [])
    if wanted.places is None:
        done.again.extend(letter.place for letter in letters if letter.replay_of is not None)
        letters = [letter for letter in letters if letter.replay_of is None]
    for some in _transactions(letters):
        found = opened(await read_letters(consumer, some))
        records = {place: original(record, place) for place, record in found.items()}
        whole = [(letter, record) for letter in some if (record := records.get(letter.place))]
        if whole:
            await _replay_some(connection, producer, whole, by)
        done.replayed.extend(letter.place for letter, _ in whole)
        done.incomplete.extend(letter.place for letter in some if not records.get(letter.place))
    return done


async def _replay_some(
    connection: Connection[TupleRow],
    producer: TransactionalProducer,
    whole: Sequence[tuple[DeadLetter, OutgoingRecord]],
    by: str,
) -> None:
    name = uuid4()
    with connection.transaction(), connection.cursor() as cur:
        begin_replay(cur, [letter for letter, _ in whole], name, by=by)
    offsets = await producer.publish_with_mark([record for _, record in whole], _MARK, str(name))
    with connection.transaction(), connection.cursor() as cur:
        end_replay(cur, name, offsets)


def _transactions(letters: Sequence[DeadLetter]) -> Iterator[Sequence[DeadLetter]]:
    """Yield the letters, which are in order of their places, for one transaction after the other."""
    for _, of_partition in groupby(letters, key=lambda letter: letter.place[:2]):
        some = list(of_partition)
        for first in range(0, len(some), MAX_MARKED_RECORDS):
            yield some[first : first + MAX_MARKED_RECORDS]

"""Which commands the read model of replies does not know yet: those on their topics behind the last replied to.

At every moment a command is either found here or known there, wherever it or its reply is on the way: before the
worker, in the log, or on the topic of replies. One that is parked has no reply while later ones have theirs; the notice
of it is published before those, and is found here until the read model has it.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from events import envelopes
from events.topics import PARKED_TOPIC
from projections.catalogue import MODELS
from projections.replies import queries as replies
from projections.replies.queries import CommandKey
from projections.replies.row import notice_row
from transport.clients.kafka import topic_reader
from transport.clients.stepping_consumer import SteppingConsumer
from transport.positions import read_all_async
from transport.records import ConsumerRecord, Undecodable
from transport.topics import partition_counts
from web.http.reading import Connection, Reader
from web.http.time_limits import within

MAX_LOOKED_AT = 20_000
"""Records of one look; where more commands wait, those beyond them are not known."""
READ_WITHIN = 3.0
"""Seconds for reading them."""
_ANSWER_WITHIN = 5.0
"""Seconds for all of it."""

_Offsets = Mapping[TopicPartition, int]


class Unknowable(Exception):
    """Kafka or the database does not say in time whether a command waits, or too many do."""


class _Look(NamedTuple):
    """What was seen: ids and sources of commands without a reply. all: there are no others."""

    commands: frozenset[tuple[str | None, str | None]]
    all: bool


class Unanswered:
    """The commands on some topics that have no reply yet."""

    def __init__(self, reader: Reader, bootstrap: str, topics: Sequence[str]) -> None:
        self.topics = topics
        self._reader = reader
        self._bootstrap = bootstrap
        self._look: asyncio.Task[_Look] | None = None
        self._next_look: asyncio.Task[_Look] | None = None

    async def holds(self, key: CommandKey) -> bool:
        """Return whether a command that is on its topic has no reply yet. Raises: Unknowable.

        False says nothing of a command whose reply came into the read model during this call.
        """
        try:
            found = await within(_ANSWER_WITHIN, self._shared_look())
        except (TimeoutError, OSError, KafkaError) as error:
            raise Unknowable from error
        if any(key.fits(*command) for command in found.commands):
            return True
        if not found.all:
            raise Unknowable
        return False

    async def _shared_look(self) -> _Look:
        """Look for all who ask while a look is on its way: that one may have begun too early for them."""
        if self._next_look is None:
            self._next_look = asyncio.create_task(self._look_after(self._look))
        return await asyncio.shield(self._next_look)

    async def _look_after(self, earlier: asyncio.Task[_Look] | None) -> _Look:
        if earlier is not None:
            await asyncio.wait({earlier})
        self._look, self._next_look = self._next_look, None
        done = await self._reader.read(self._done)
        counts = await partition_counts(self._bootstrap, [*self.topics, PARKED_TOPIC])
        partitions = [TopicPartition(topic, one) for topic, count in counts.items() for one in range(count)]
        # Also what lies behind an open transaction, of whomever: it will be decided when that ends.
        async with topic_reader(self._bootstrap, "api", isolation="read_uncommitted") as consumer:
            ends = await consumer.end_offsets(partitions)
            beginnings = await consumer.beginning_offsets(partitions)
            starts = {one: _start(done.get(one, 0), beginnings[one], ends[one]) for one in partitions}
            return await _read(consumer, self.topics, starts, ends)

    async def _done(self, connection: Connection) -> _Offsets:
        """Return up to where commands have replies, and notices are read."""
        replied = await replies.last_replied_to(connection, self.topics)
        read = await read_all_async(connection)
        return {TopicPartition(one.topic, one.partition): one.offset + 1 for one in replied} | {
            TopicPartition(one.topic, one.partition): one.next
            for one in read
            if (one.consumer, one.topic) == (MODELS["replies"].consumer, PARKED_TOPIC)
        }


def _start(done: int, beginning: int, end: int) -> int:
    """Return where to look from. What is beyond the end counts in a topic that was deleted and created again."""
    return max(done, beginning) if done <= end else beginning


async def _read(consumer: SteppingConsumer, topics: Sequence[str], starts: _Offsets, ends: _Offsets) -> _Look:
    unread = {one for one, start in starts.items() if start < ends[one]}
    consumer.assign(list(unread))
    for partition in unread:
        consumer.seek(partition, starts[partition])
    found: set[tuple[str | None, str | None]] = set()
    deadline, left = asyncio.get_running_loop().time() + READ_WITHIN, MAX_LOOKED_AT
    while unread and left > 0 and asyncio.get_running_loop().time() < deadline:
        for records in (await consumer.getmany(timeout_ms=50, max_records=left)).values():
            found.update(_command(record, topics) for record in records if not isinstance(record, Undecodable))
            left -= len(records)
        unread = {one for one in unread if await consumer.position(one) < ends[one]}
    return _Look(frozenset(found), not unread)


def _command(record: ConsumerRecord, topics: Sequence[str]) -> tuple[str | None, str | None]:
    """Return id and source of a command, or of the one on these topics that a notice is about."""
    if record.topic == PARKED_TOPIC:
        notice = notice_row(record)
        return (notice.command_id, notice.source) if notice and notice.place.topic in topics else (None, None)
    envelope = envelopes.read(record.headers, record.value)
    return envelope.id, envelope.source

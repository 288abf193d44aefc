"""The clock: how long a program takes from a backlog of commands to their last event or reply.

The same for every program. Its processes run, have joined, and have answered a few commands to get warm. Then, wave by
wave, the one that reads commands is frozen (SIGSTOP), the whole wave is published, and the clock starts as it is let
go. It stops at the time that the broker gave the last event or reply of the wave as it took it. Rates are all commands
over the sum of the waves' times: start-up, publishing and the pauses between waves are not in it, filling and emptying
the pipe is. Every command must have been accepted, with one event and one reply, else the run is void.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import chain

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from benchmarks.fresh_servers import PARTITIONS
from benchmarks.programs import Process, ProgramFailed
from benchmarks.recording import Published
from events.catalogue import name_of, type_of
from events.replies import CommandAccepted
from events.topics import EVENTS_TOPIC, REPLIES_TOPIC
from local.log_files import last_lines
from transport.records import OutgoingRecord

LOOK_EVERY = 0.1
"""Seconds between two looks at how far the topics have come, which costs the broker next to nothing."""
ANSWERED_WITHIN = 90.0
"""Seconds in which a wave must be answered."""
_ACCEPTED = type_of(name_of(CommandAccepted)).encode()


class Watch:
    """What has come out, read only once all of it is there, so that reading takes no time from who is measured."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self._partitions = [
            TopicPartition(topic, p) for topic in (EVENTS_TOPIC, REPLIES_TOPIC) for p in range(PARTITIONS)
        ]
        self._reached = dict.fromkeys(self._partitions, 0)
        self.published: list[Published] = []
        consumer.assign(self._partitions)
        consumer.pause(*self._partitions)

    async def answers(self, commands: int, processes: Sequence[Process]) -> Sequence[Published]:
        """Wait for the events and replies of so many commands, and return them. Raises: ProgramFailed."""
        new: list[Published] = []
        ends = self._reached
        late = time.monotonic() + ANSWERED_WITHIN
        while len(new) < 2 * commands:
            await asyncio.sleep(LOOK_EVERY)
            for process in processes:
                process.check()
            if time.monotonic() > late:
                came = f"{len(new)} of {2 * commands} events and replies came within {ANSWERED_WITHIN:.0f} seconds"
                msg = "\n".join([came, *(f"{one.name} logged last:\n{last_lines(one.log)}" for one in processes)])
                raise ProgramFailed(msg)
            before, ends = ends, await self._consumer.end_offsets(self._partitions)
            # Offsets also count the marks of transactions, so they say only when it is worth a look.
            grown = sum(ends.values()) - sum(self._reached.values())
            if before == ends and grown >= 2 * commands - len(new):
                new += await self._read_to(ends)
        self.published += new
        return new

    async def _read_to(self, ends: dict[TopicPartition, int]) -> Sequence[Published]:
        for partition, offset in self._reached.items():
            self._consumer.seek(partition, offset)
        self._consumer.resume(*self._partitions)
        new: list[Published] = []
        while any([await self._consumer.position(p) < end for p, end in ends.items()]):
            new += chain.from_iterable((await self._consumer.getmany(timeout_ms=100)).values())
        self._consumer.pause(*self._partitions)
        self._reached = ends
        return new


@asynccontextmanager
async def watching(bootstrap: str) -> AsyncGenerator[Watch]:
    """Watch the event and reply topics, committed records only."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        yield Watch(consumer)
    finally:
        await consumer.stop()


async def measure(
    bootstrap: str,
    processes: Sequence[Process],
    warming: Iterable[Sequence[OutgoingRecord]],
    waves: Iterable[Sequence[OutgoingRecord]],
) -> tuple[float, Sequence[Published]]:
    """Return the commands per second of one run, and everything that was published. The last process reads commands."""
    reader = processes[-1]
    commands, seconds = 0, 0.0
    async with watching(bootstrap) as watch, _producer(bootstrap) as producer:
        for wave in warming:
            await _publish(producer, wave)
            await watch.answers(len(wave), processes)
        for wave in waves:
            reader.freeze()
            try:
                await _publish(producer, wave)
            finally:
                started = time.time()
                reader.thaw()
            answers = await watch.answers(len(wave), processes)
            _check_accepted(len(wave), answers)
            commands += len(wave)
            seconds += max(record.timestamp for record in answers) / 1000 - started
        return commands / seconds, watch.published


def _check_accepted(commands: int, answers: Sequence[Published]) -> None:
    accepted = sum(("ce_type", _ACCEPTED) in record.headers for record in answers)
    events = sum(record.topic == EVENTS_TOPIC for record in answers)
    if (accepted, events) != (commands, commands):
        msg = f"of {commands} commands {accepted} were accepted, with {events} events"
        raise ProgramFailed(msg)


@asynccontextmanager
async def _producer(bootstrap: str) -> AsyncGenerator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", max_batch_size=262_144)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


async def _publish(producer: AIOKafkaProducer, wave: Sequence[OutgoingRecord]) -> None:
    sent = [await producer.send(one.topic, one.value, key=one.key, headers=one.headers) for one in wave]
    await asyncio.gather(*sent)

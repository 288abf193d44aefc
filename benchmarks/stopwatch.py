"""The clock: how long a program takes from a backlog of commands to their last event or reply, and how much CPU.

The same for every program. Its processes run, have joined, and have answered a few commands to get warm. Then, wave by
wave, the one that reads commands is frozen (SIGSTOP), the whole wave is published, and the clock starts as it is let
go. It stops at the time that the broker gave the last event or reply of the wave as it took it; for the whole system
it runs until every read model has been seen to have the last event. Rates are all commands over the sum of the
waves' times: start-up, publishing and the pauses between waves are not in it, filling and emptying the pipe is. CPU
is what each process, and each server, used from the start of the clock until nothing was left to be done. Every
command must have been accepted, with one event and one reply, else the run is void.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import chain

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from benchmarks.catching_up import ReadSide, watching_read_side
from benchmarks.cpu import CpuSeconds, cpu_seconds
from benchmarks.fresh_servers import PARTITIONS
from benchmarks.programs import WORKER, Process, ProgramFailed
from benchmarks.recording import Published
from events.catalogue import name_of, type_of
from events.replies import CommandAccepted
from events.topics import EVENTS_TOPIC, REPLIES_TOPIC
from local.log_files import last_lines
from transport.addresses import Addresses
from transport.records import OutgoingRecord

LOOK_EVERY = 0.1
"""Seconds between two looks at how far the topics have come, which costs the broker next to nothing."""
WAVE_WITHIN = 180.0
"""Seconds in which a wave must be done."""
_ACCEPTED = type_of(name_of(CommandAccepted)).encode()


@dataclass(slots=True)
class Measurement:
    """What one run took, added up wave by wave. Seconds until the last event or reply, and until it was visible."""

    commands: int = 0
    published_seconds: float = 0.0
    visible_seconds: float = 0.0
    cpu_seconds: Counter[str] = field(default_factory=Counter[str])

    @property
    def published(self) -> float:
        """Commands a second until they were published."""
        return self.commands / self.published_seconds

    @property
    def visible(self) -> float | None:
        """Commands a second until they were visible in every read model, where there is one."""
        return self.commands / self.visible_seconds if self.visible_seconds else None

    @property
    def cpu_us(self) -> Mapping[str, float]:
        """Microseconds of CPU a command, by process."""
        return {name: seconds / self.commands * 1e6 for name, seconds in self.cpu_seconds.items()}


class Watch:
    """What has come out, read only once all of it is there, so that reading takes no time from who is measured."""

    def __init__(self, consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> None:
        self._consumer = consumer
        self._partitions = list(ends)
        self._read = ends
        self.ends = ends
        """The ends of the partitions, when they were last looked at."""
        self.published: list[Published] = []
        consumer.assign(self._partitions)
        consumer.pause(*self._partitions)

    async def looks_done(self, records: int) -> bool:
        """Look again; return whether nothing has come since the look before, and so many records may have come.

        Offsets also count the marks of transactions, so they say only when it is worth a reading.
        """
        before, self.ends = self.ends, await self._consumer.end_offsets(self._partitions)
        return before == self.ends and sum(self.ends.values()) - sum(self._read.values()) >= records

    async def read(self) -> Sequence[Published]:
        """Return what has come since the reading before."""
        for partition, offset in self._read.items():
            self._consumer.seek(partition, offset)
        self._consumer.resume(*self._partitions)
        new: list[Published] = []
        while any([await self._consumer.position(p) < end for p, end in self.ends.items()]):
            new += chain.from_iterable((await self._consumer.getmany(timeout_ms=100)).values())
        self._consumer.pause(*self._partitions)
        # Records beyond the ends may have come in the meantime.
        self._read = {partition: await self._consumer.position(partition) for partition in self._partitions}
        self.published += new
        return new


@asynccontextmanager
async def watching(bootstrap: str) -> AsyncGenerator[Watch]:
    """Watch what comes to the event and reply topics from now on, committed records only."""
    partitions = [TopicPartition(topic, p) for topic in (EVENTS_TOPIC, REPLIES_TOPIC) for p in range(PARTITIONS)]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, isolation_level="read_committed", auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        yield Watch(consumer, await consumer.end_offsets(partitions))
    finally:
        await consumer.stop()


@dataclass(slots=True)
class Stopwatch:
    """Times one program. Its workers read the commands; the CPU of all its processes and of the servers is counted."""

    producer: AIOKafkaProducer
    watch: Watch
    processes: Sequence[Process]
    server_pids: Mapping[str, int]
    read_side: ReadSide | None

    async def run(
        self, warming: Iterable[Sequence[OutgoingRecord]], waves: Iterable[Sequence[OutgoingRecord]]
    ) -> Measurement:
        """Let the program do all of these commands, and time those that are not for warming. Raises: ProgramFailed."""
        for wave in warming:
            await _publish(self.producer, wave)
            await self._answers(2 * len(wave))
        measured = Measurement()
        for wave in waves:
            await self._wave(wave, measured)
        return measured

    async def _wave(self, wave: Sequence[OutgoingRecord], measured: Measurement) -> None:
        workers = [process for process in self.processes if process.name.startswith(WORKER)]
        for worker in workers:
            worker.freeze()
        try:
            await _publish(self.producer, wave)
        finally:
            before, started = self._cpu(), time.time()
            for worker in workers:
                worker.thaw()
        answers, after = await self._answers(2 * len(wave))
        _check_accepted(len(wave), answers)
        measured.commands += len(wave)
        measured.published_seconds += max(record.timestamp for record in answers) / 1000 - started
        measured.cpu_seconds.update({name: after[name] - before[name] for name in after})
        if self.read_side:
            measured.visible_seconds += self.read_side.moved_at - started

    async def _answers(self, records: int) -> tuple[Sequence[Published], CpuSeconds]:
        """Return the events and replies, and the CPU used until all was done, which is before they were read."""
        new: list[Published] = []
        used: CpuSeconds = {}
        late = time.monotonic() + WAVE_WITHIN
        while len(new) < records:
            while not await self._is_done(records - len(new)):
                await asyncio.sleep(LOOK_EVERY)
                self._check(late, f"{records} events and replies")
            used = self._cpu()
            new += await self.watch.read()
        return new, used

    async def _is_done(self, records: int) -> bool:
        if not await self.watch.looks_done(records):
            return False
        return not (self.read_side and await self.read_side.is_behind(self.watch.ends))

    def _check(self, late: float, awaited: str) -> None:
        for process in self.processes:
            process.check()
        if time.monotonic() > late:
            logged = (f"{one.name} logged last:\n{last_lines(one.log)}" for one in self.processes)
            raise ProgramFailed("\n".join([f"{awaited} did not come within {WAVE_WITHIN:.0f} seconds", *logged]))

    def _cpu(self) -> CpuSeconds:
        return cpu_seconds({one.name: one.running.pid for one in self.processes} | dict(self.server_pids))


@asynccontextmanager
async def stopwatch(
    own: Addresses, processes: Sequence[Process], server_pids: Mapping[str, int], *, read_side: bool
) -> AsyncGenerator[Stopwatch]:
    """Make a stopwatch for these processes. read_side: time until every read model has the commands, too."""
    async with AsyncExitStack() as stack:
        producer = await stack.enter_async_context(
            AIOKafkaProducer(bootstrap_servers=own.kafka, acks="all", max_batch_size=262_144)
        )
        watch = await stack.enter_async_context(watching(own.kafka))
        side = await stack.enter_async_context(watching_read_side(own.database)) if read_side else None
        yield Stopwatch(producer, watch, processes, server_pids, side)


def _check_accepted(commands: int, answers: Sequence[Published]) -> None:
    accepted = sum(("ce_type", _ACCEPTED) in record.headers for record in answers)
    events = sum(record.topic == EVENTS_TOPIC for record in answers)
    if (accepted, events) != (commands, commands):
        msg = f"of {commands} commands {accepted} were accepted, with {events} events"
        raise ProgramFailed(msg)


async def _publish(producer: AIOKafkaProducer, wave: Sequence[OutgoingRecord]) -> None:
    sent = [await producer.send(one.topic, one.value, key=one.key, headers=one.headers) for one in wave]
    await asyncio.gather(*sent)

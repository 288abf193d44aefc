"""Positioned reading: batches of raw records whose positions live in PostgreSQL.

Kafka gives the partitions, PostgreSQL says where to go on. The offset committed to Kafka is advice for lag tools.
A batch is handled one at a time and stays in hand until it is durable: the framework would deliver the next batch after
an exception, so none gets out. Records arrive raw, since one undecodable header would otherwise spoil its neighbours.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, cast

import stamina
import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka.message import KafkaMessage

from transport.addresses import Addresses
from transport.batch import Batch, PartitionsStopped, Work
from transport.clients.kafka import KafkaBroker, make_broker, start_broker
from transport.clients.stepping_consumer import FETCH_MAX_BYTES, SteppingConsumer
from transport.framework_log import FrameworkLog
from transport.placing import Found, Places
from transport.positions import PositionLost
from transport.records import KafkaRecord
from transport.threads import OwnThread
from transport.unfit import Unfit

log = structlog.get_logger(__name__)

SESSION_TIMEOUT = 10.0
"""Seconds without a heartbeat after which Kafka gives the partitions to another member."""
LET_GO_WITHIN = 8.0
"""Seconds that a batch in hand may hold up a rebalance; after that the positions decide whose it is."""
IDLE_WAIT_MS = 1000
"""Milliseconds to wait for records before asking again."""
COMMIT_EVERY = 1.0
"""Seconds between two commits of advisory offsets."""
TRY_AGAIN_AFTER = 5.0
"""Seconds after which a partition that stopped is read again."""
WATCH_EVERY = 3.0
"""Seconds between two looks whether a partition was placed anew."""


Partitions = frozenset[int]
Owning = Callable[[Partitions], Awaitable[None]]


class _Reading(ConsumerRebalanceListener):
    """What one member of a consumer group holds, and the batch it has in hand."""

    def __init__(
        self, group: str, work: Work, places: Places, assigned: Owning | None = None, revoked: Owning | None = None
    ) -> None:
        self._group = group
        self._work = work
        self._handling = OwnThread(group)
        self._places = places
        self._assigned = assigned
        self._revoked = revoked
        self._in_hand = asyncio.Lock()
        self._assignment = 0
        self._taken_over = 0
        self._committed_at = 0.0
        self._trying: set[asyncio.Task[None]] = set()
        self._stopped: frozenset[TopicPartition] = frozenset()
        self._unfit: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.consumer: Callable[[], SteppingConsumer | None] = lambda: None
        self.positions: dict[TopicPartition, int] = {}

    async def on_partitions_assigned(  # pyright: ignore[reportIncompatibleMethodOverride] - the client awaits it
        self, assigned: set[TopicPartition]
    ) -> None:
        self._assignment += 1
        assignment = self._assignment
        self._forget(assigned)
        if self._assigned:
            # The client would swallow an exception and hand out records all the same.
            async for attempt in _for_ever():
                with attempt:
                    await self._assigned(frozenset(partition.partition for partition in assigned))
        await self._rewind(assigned, assignment)
        self._taken_over = assignment
        log.info("partitions assigned", group=self._group, partitions=len(assigned))

    async def on_partitions_revoked(  # pyright: ignore[reportIncompatibleMethodOverride] - the client awaits it
        self, revoked: set[TopicPartition]
    ) -> None:
        try:
            await asyncio.wait_for(self._in_hand.acquire(), LET_GO_WITHIN)
            self._in_hand.release()
        except TimeoutError:
            log.warning("a batch in hand outlives the rebalance; the stored positions decide", group=self._group)
        self._assignment += 1
        await self._advise()
        self.positions, self._stopped = {}, frozenset()
        if self._revoked:
            await self._revoked(frozenset(partition.partition for partition in revoked))

    async def receive(self, records: Sequence[KafkaRecord]) -> None:
        """Handle the records; return when they are durable, or are not ours any more."""
        async with self._in_hand:
            if batch := self._batch(records):
                await self._until_done(batch)

    async def misplaced(self, partitions: Collection[TopicPartition]) -> None:
        """Look again where to go on in partitions whose position lies outside the log."""
        async with self._in_hand:
            await self._rewind(partitions, self._assignment)

    def _batch(self, records: Sequence[KafkaRecord]) -> Batch | None:
        partitions = {TopicPartition(record.topic, record.partition) for record in records}
        self._complain(partitions - self.positions.keys())
        starts = self._starts(partitions)
        kept = [
            record
            for record in records
            if record.offset >= starts.get(TopicPartition(record.topic, record.partition), record.offset + 1)
        ]
        return Batch(kept, starts) if kept else None

    def _starts(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the positions that the records were read from; a partition placed anew since then is read again."""
        consumer = self._consumer()
        starts: dict[TopicPartition, int] = {}
        for partition in self.positions.keys() & partitions:
            if consumer.origins.get(partition) == self.positions[partition]:
                starts[partition] = self.positions[partition]
            else:
                consumer.seek(partition, self.positions[partition])
        return starts

    def _complain(self, strange: Collection[TopicPartition]) -> None:
        """Say that records came of partitions that are ours, and that nobody knows the position of: a fault of ours."""
        if dropped := self._consumer().assignment().intersection(strange):
            log.error(
                "records dropped: the position of their partition is not known",
                group=self._group,
                partitions=sorted(f"{topic}[{partition}]" for topic, partition in dropped),
            )

    async def _until_done(self, batch: Batch) -> None:
        assignment = self._assignment
        for pause in itertools.chain((0.1, 0.2, 0.5, 1.0), itertools.repeat(2.0)):
            try:
                await self._handling.run(self._work.handle, batch)
            except PositionLost:
                log.warning("batch dropped: another worker owns a partition", group=self._group)
                return await self._rewind(list(self.positions), assignment)
            except PartitionsStopped as stopped:
                await self._done(batch.of(set(batch.partitions()) - stopped.partitions), assignment)
                return self._leave(stopped.partitions, assignment)
            except Unfit as reason:
                # Nothing more is taken; who waits in `watch` leaves the group.
                self._forget(self._consumer().assignment())
                if not self._unfit.done():
                    self._unfit.set_exception(reason)
                return None
            except Exception:
                log.exception("batch failed; it is tried again", group=self._group, records=len(batch.records))
            else:
                return await self._done(batch, assignment)
            await asyncio.sleep(pause)
            if assignment != self._assignment:
                return None
        return None

    async def _done(self, batch: Batch, assignment: int) -> None:
        if assignment == self._assignment:
            self.positions = {**self.positions, **batch.ends}
        if time.monotonic() - self._committed_at > COMMIT_EVERY:
            await self._advise()

    def _leave(self, partitions: Collection[TopicPartition], assignment: int) -> None:
        """Read nothing more of these partitions for a while."""
        if assignment == self._assignment:
            self._forget(partitions)
            self._stopped |= frozenset(partitions)
            task = asyncio.create_task(self._try_again(partitions, assignment))
            self._trying.add(task)
            task.add_done_callback(self._trying.discard)

    async def _try_again(self, partitions: Collection[TopicPartition], assignment: int) -> None:
        """Read the partitions again from their stored positions, unless a rebalance has done so already."""
        await asyncio.sleep(TRY_AGAIN_AFTER)
        async with self._in_hand:
            await self._rewind(partitions, assignment)

    async def watch(self) -> None:
        """Notice, until cancelled, when somebody places a partition anew, or when its topic is made anew.

        Raises: Unfit, once the work has.
        """
        while True:
            await asyncio.wait({self._unfit}, timeout=WATCH_EVERY)
            if self._unfit.done():
                return self._unfit.result()
            try:
                async with self._in_hand:
                    await self._look()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is looked again
                log.debug("the stored positions cannot be looked at now", group=self._group, error=repr(error))

    async def _look(self) -> None:
        consumer, assignment = self._consumer(), self._assignment
        if assignment != self._taken_over:
            return
        known = {one: self.positions.get(one) for one in consumer.assignment() - self._stopped}
        changed = await self._places.changed(consumer, known) if known else []
        if changed and assignment == self._assignment:
            await self._rewind(changed, assignment)

    async def _rewind(self, partitions: Collection[TopicPartition], assignment: int) -> None:
        """Go on from the stored positions; until these are known, take nothing.

        assignment: the one that the partitions belong to. After the next rebalance it is too late, and changes nothing.
        """
        async for attempt in _for_ever():
            with attempt:
                if assignment != self._assignment:
                    return
                self._forget(partitions)
                placed = await self._places.ask(self._consumer(), partitions)
                if assignment == self._assignment:
                    self._stopped -= frozenset(partitions)
                    self._go_on_from(placed.offsets)

    def _forget(self, partitions: Collection[TopicPartition]) -> None:
        """Take nothing of these partitions."""
        self.positions = {one: offset for one, offset in self.positions.items() if one not in partitions}
        consumer = self._consumer()
        held = consumer.assignment().intersection(partitions)
        consumer.pause(*held)
        for partition in held:
            consumer.seek(partition, 0)  # where it has no position, the client would look for one of its own

    def _go_on_from(self, offsets: Mapping[TopicPartition, int]) -> None:
        consumer = self._consumer()
        held = {one: offset for one, offset in offsets.items() if one in consumer.assignment()}
        self.positions = {**self.positions, **held}
        for partition, offset in held.items():
            consumer.seek(partition, offset)
        consumer.resume(*held)

    def _consumer(self) -> SteppingConsumer:
        return cast("SteppingConsumer", self.consumer())

    async def close(self) -> None:
        """Let go of what is tried again, and let the threads end."""
        for task in self._trying:
            task.cancel()
        self._handling.close()
        await self._places.close()

    async def _advise(self) -> None:
        consumer = self.consumer()
        if consumer is None or not self.positions:
            return
        self._committed_at = time.monotonic()
        held = consumer.assignment()
        try:
            await consumer.commit({p: offset for p, offset in self.positions.items() if p in held})
        except KafkaError as error:
            log.debug("offsets for lag tools were not committed", group=self._group, error=str(error))


def _for_ever() -> AsyncIterator[stamina.Attempt]:
    return aiter(stamina.retry_context(on=Exception, attempts=None, timeout=None, wait_max=2.0))


async def consume(  # noqa: PLR0913 - a consumer group has this many sides
    addresses: Addresses,
    *,
    group: str,
    topics: Sequence[str],
    work: Work,
    most: int = 500,
    found: Found | None = None,
    assigned: Owning | None = None,
    revoked: Owning | None = None,
) -> None:
    """Read ``topics`` as a member of ``group`` until cancelled, at most ``most`` records a batch.

    Raises: Unfit when the work does; the group has been left then.

    Partitions with the same number of every topic go to the same member. ``assigned`` and ``revoked`` are told the
    numbers of the partitions that come and go; ``assigned`` returns before the first record of them is handed out.
    ``found`` is told of partitions about to be read, in the transaction that looked where they stand.
    """
    reading = _Reading(group, work, Places(group, addresses.database, found), assigned, revoked)
    broker = broker_of(addresses, group, topics, reading, most)
    try:
        async for attempt in stamina.retry_context(on=KafkaError, attempts=None, timeout=None, wait_max=2.0):
            with attempt:
                await _start(broker, reading)
        await reading.watch()
    finally:
        await broker.stop()
        await reading.close()


def broker_of(addresses: Addresses, group: str, topics: Sequence[str], reading: _Reading, most: int) -> KafkaBroker:
    """Return a broker with the one batch subscriber that reads ``topics``; nothing is connected yet."""
    broker = make_broker(addresses.kafka, group, FrameworkLog(group))
    subscriber = broker.subscriber(
        *topics,
        group_id=group,
        batch=True,
        max_records=most,
        batch_timeout_ms=1,  # after an empty call the framework sleeps as long again
        fetch_max_bytes=FETCH_MAX_BYTES,
        ack_policy=AckPolicy.MANUAL,
        auto_offset_reset="none",
        isolation_level="read_committed",
        partition_assignment_strategy=[RangePartitionAssignor],
        session_timeout_ms=int(SESSION_TIMEOUT * 1000),
        heartbeat_interval_ms=int(SESSION_TIMEOUT * 1000 / 4),
        rebalance_timeout_ms=int((LET_GO_WITHIN + 2) * 1000),
        listener=reading,
        parser=_raw,
        decoder=_records,
    )
    subscriber(reading.receive)
    reading.consumer = lambda: cast("SteppingConsumer | None", subscriber.consumer)
    return broker


async def _start(broker: KafkaBroker, reading: _Reading) -> None:
    await start_broker(broker, lambda: reading.positions, reading.misplaced, IDLE_WAIT_MS)


async def _raw(records: tuple[KafkaRecord, ...]) -> KafkaMessage:
    return KafkaMessage(body=b"", headers={}, raw_message=cast("Any", records), consumer=cast("Any", None))


async def _records(message: KafkaMessage) -> Any:  # noqa: ANN401 - the framework's own type
    return message.raw_message

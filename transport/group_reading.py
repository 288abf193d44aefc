"""How one member of a consumer group reads: batches of raw records, resumed from positions in PostgreSQL.

The offset committed to Kafka is only advice for lag tools. Batches are handled one at a time. One that fails is kept
and tried again, and nothing is raised: the framework would deliver the next batch after an exception.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from typing import cast

import stamina
import structlog
from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError

from transport.batch import Batch, PartitionsStopped, Work
from transport.clients.stepping_consumer import SteppingConsumer
from transport.metrics import BATCH_FAILURES, BATCH_RECORDS, BATCH_SECONDS, OWN_GROUPS
from transport.positions import PositionLost
from transport.records import KafkaRecord
from transport.resuming import Places
from transport.threads import OwnThread
from transport.unfit import Unfit

log = structlog.get_logger(__name__)

RELEASE_SECONDS = 8.0
"""Seconds that a batch may hold up a rebalance; after that the stored positions decide whose it is."""
_COMMIT_SECONDS = 1.0
"""Seconds between two commits of advisory offsets."""
RETRY_SECONDS = 5.0
"""Seconds after which a partition that stopped is read again."""
_WATCH_SECONDS = 3.0
"""Seconds between two checks whether a position was reset, or a topic recreated."""
_LED_WATCH_SECONDS = 1.0
"""The same for a group with a leader: seconds after which it reads where it has been left behind."""

OnOwnership = Callable[[frozenset[int]], Awaitable[None]]
"""Called with the numbers of the partitions that come or go."""


class GroupReader(ConsumerRebalanceListener):
    """Reads the assigned partitions and hands batches to the work. Kafka's client calls it at every rebalance."""

    def __init__(  # noqa: PLR0913 - a member of a group has this many sides
        self,
        group: str,
        work: Work,
        places: Places,
        assigned: OnOwnership | None = None,
        revoked: OnOwnership | None = None,
        *,
        led: bool = False,
        turn_seconds: float = 0.0,
    ) -> None:
        """Make a reader that holds nothing yet.

        led: whether another group takes this one along, so that it often reads nothing. turn_seconds: from the
        beginning of one batch until the next is asked for, at least.
        """
        self._group = group
        self._work = work
        self._handling = OwnThread(group)
        self._places = places
        self._assigned = assigned
        self._revoked = revoked
        self._one_batch = asyncio.Lock()
        self._assignment = 0
        self._taken_over = 0
        self._committed_at = 0.0
        self._retries: set[asyncio.Task[None]] = set()
        self._led = led
        self._turn_seconds = turn_seconds
        self._stopped: frozenset[TopicPartition] = frozenset()
        self._unread: frozenset[TopicPartition] = frozenset()
        self._unfit: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.consumer: Callable[[], SteppingConsumer | None] = lambda: None
        self.positions: dict[TopicPartition, int] = {}
        OWN_GROUPS.joining(group)

    async def on_partitions_assigned(  # pyright: ignore[reportIncompatibleMethodOverride] - the client awaits it
        self, assigned: set[TopicPartition]
    ) -> None:
        """Resume the partitions from their stored positions; before that nothing of them is handled."""
        self._assignment += 1
        assignment = self._assignment
        self._pause(assigned)
        if self._assigned:
            # The client would swallow an exception and hand out records all the same.
            async for attempt in _for_ever():
                with attempt:
                    await self._assigned(frozenset(partition.partition for partition in assigned))
        await self._rewind(assigned, assignment)
        self._taken_over = assignment
        OWN_GROUPS.assigned(self._group, len(assigned))
        log.info("partitions_assigned", group=self._group, partitions=len(assigned))

    async def on_partitions_revoked(  # pyright: ignore[reportIncompatibleMethodOverride] - the client awaits it
        self, revoked: set[TopicPartition]
    ) -> None:
        """Wait for the batch that is being handled, with a bound, and forget the positions."""
        try:
            async with asyncio.timeout(RELEASE_SECONDS), self._one_batch:
                pass
        except TimeoutError:
            log.warning("batch_outlives_rebalance", group=self._group)
        self._assignment += 1
        await self._advise()
        self.positions, self._stopped, self._unread = {}, frozenset(), frozenset()
        if self._revoked:
            await self._revoked(frozenset(partition.partition for partition in revoked))

    async def receive(self, records: Sequence[KafkaRecord]) -> None:
        """Handle the records; return when they are durable, or another process owns them, and the turn is over."""
        begun = time.monotonic()
        async with self._one_batch:
            if batch := self._batch(records):
                await self._until_done(batch)
        await asyncio.sleep(begun + self._turn_seconds - time.monotonic())

    async def misplaced(self, partitions: Collection[TopicPartition]) -> None:
        """Look up again where to resume partitions whose position is outside the log."""
        async with self._one_batch:
            await self._rewind(partitions, self._assignment)

    def _batch(self, records: Sequence[KafkaRecord]) -> Batch | None:
        partitions = {TopicPartition(*place) for place in {(record.topic, record.partition) for record in records}}
        self._report_unknown(partitions - self.positions.keys() - self._unread)
        starts = self._starts(partitions)
        first: dict[tuple[str, int], int] = {(one.topic, one.partition): start for one, start in starts.items()}
        kept = [
            record
            for record in records
            if record.offset >= first.get((record.topic, record.partition), record.offset + 1)
        ]
        return Batch(kept, starts) if kept else None

    def _starts(self, partitions: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the positions that the records were read from. A partition that was reset since then is read again."""
        consumer = self._consumer()
        starts: dict[TopicPartition, int] = {}
        for partition in self.positions.keys() & partitions:
            if consumer.origins.get(partition) == self.positions[partition]:
                starts[partition] = self.positions[partition]
            else:
                consumer.seek(partition, self.positions[partition])
        return starts

    def _report_unknown(self, strange: Collection[TopicPartition]) -> None:
        """Log records of assigned partitions without a known position: there is a bug, and they are not handled."""
        if dropped := self._consumer().assignment().intersection(strange):
            log.error(
                "records_dropped_without_position",
                group=self._group,
                partitions=sorted(f"{topic}[{partition}]" for topic, partition in dropped),
            )

    async def _until_done(self, batch: Batch) -> None:
        assignment = self._assignment
        for pause in itertools.chain((0.1, 0.2, 0.5, 1.0), itertools.repeat(2.0)):
            begun = time.monotonic()
            try:
                await self._handling.run(self._work.handle, batch)
            except PositionLost:
                log.warning("batch_dropped_position_moved", group=self._group)
                return await self._rewind(list(self.positions), assignment)
            except PartitionsStopped as stopped:
                await self._done(batch.of(set(batch.partitions()) - stopped.partitions), assignment)
                return self._stop(stopped.partitions, assignment)
            except Unfit as reason:
                # Nothing more is read; `consume` waits in `watch` and then leaves the group.
                self._pause(self._consumer().assignment())
                if not self._unfit.done():
                    self._unfit.set_exception(reason)
                return None
            except Exception:
                BATCH_FAILURES.labels(self._group).inc()
                log.exception("batch_retried", group=self._group, records=len(batch.records))
            else:
                BATCH_SECONDS.labels(self._group).observe(time.monotonic() - begun)
                BATCH_RECORDS.labels(self._group).observe(len(batch.records))
                return await self._done(batch, assignment)
            await asyncio.sleep(pause)
            if assignment != self._assignment:
                return None
        return None

    async def _done(self, batch: Batch, assignment: int) -> None:
        if assignment == self._assignment:
            self.positions = {**self.positions, **batch.ends}
        if time.monotonic() - self._committed_at > _COMMIT_SECONDS:
            await self._advise()
        if self._led:
            await self._look_if_possible()  # once it has caught up, the leader takes it along

    def _stop(self, partitions: Collection[TopicPartition], assignment: int) -> None:
        """Read nothing more of these partitions for a while, then try again."""
        if assignment == self._assignment:
            self._pause(partitions)
            self._stopped |= frozenset(partitions)
            task = asyncio.create_task(self._read_again(partitions, assignment))
            self._retries.add(task)
            task.add_done_callback(self._retries.discard)

    async def _read_again(self, partitions: Collection[TopicPartition], assignment: int) -> None:
        """Read the partitions again from their stored positions, unless there was a rebalance since."""
        await asyncio.sleep(RETRY_SECONDS)
        async with self._one_batch:
            await self._rewind(partitions, assignment)

    async def watch(self) -> None:
        """Notice, until cancelled, when a position is reset, or a topic is deleted and created again.

        Raises: Unfit, once the work has.
        """
        while True:
            await asyncio.wait({self._unfit}, timeout=_LED_WATCH_SECONDS if self._led else _WATCH_SECONDS)
            if self._unfit.done():
                return self._unfit.result()
            async with self._one_batch:
                await self._look_if_possible()

    async def _look_if_possible(self) -> None:
        try:
            await self._look()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is checked again
            log.debug("stored_positions_not_checked", group=self._group, error=repr(error))

    async def _look(self) -> None:
        consumer, assignment = self._consumer(), self._assignment
        if assignment != self._taken_over:
            return
        known = {one: self.positions.get(one) for one in consumer.assignment() - self._stopped}
        changed = await self._places.changed(consumer, known) if known else []
        if changed and assignment == self._assignment:
            await self._rewind(changed, assignment)

    async def _rewind(self, partitions: Collection[TopicPartition], assignment: int) -> None:
        """Resume from the stored positions; until these are known, read nothing.

        assignment: the one that the partitions belong to; after the next rebalance nothing is changed.
        """
        async for attempt in _for_ever():
            with attempt:
                if assignment != self._assignment:
                    return
                self._pause(partitions)
                placed = await self._places.ask(self._consumer(), partitions)
                if assignment == self._assignment:
                    self._stopped -= frozenset(partitions)
                    self._unread = self._unread.union(partitions) - placed.offsets.keys()
                    self._resume(placed.offsets)

    def _pause(self, partitions: Collection[TopicPartition]) -> None:
        """Read nothing of these partitions."""
        self.positions = {one: offset for one, offset in self.positions.items() if one not in partitions}
        consumer = self._consumer()
        held = consumer.assignment().intersection(partitions)
        consumer.pause(*held)
        for partition in held:
            consumer.seek(partition, 0)  # without a position the client would look one up in Kafka, even while paused

    def _resume(self, offsets: Mapping[TopicPartition, int]) -> None:
        consumer = self._consumer()
        held = {one: offset for one, offset in offsets.items() if one in consumer.assignment()}
        self.positions = {**self.positions, **held}
        for partition, offset in held.items():
            consumer.seek(partition, offset)
        consumer.resume(*held)

    def _consumer(self) -> SteppingConsumer:
        return cast("SteppingConsumer", self.consumer())

    async def close(self) -> None:
        """Cancel what would be tried again, and let the threads end."""
        for task in self._retries:
            task.cancel()
        OWN_GROUPS.left(self._group)
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
            log.debug("advisory_offsets_not_committed", group=self._group, error=str(error))


def _for_ever() -> AsyncIterator[stamina.Attempt]:
    return aiter(stamina.retry_context(on=Exception, attempts=None, timeout=None, wait_max=2.0))

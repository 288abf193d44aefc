"""Publish what waits in PostgreSQL: only the present owner of a partition can, and no earlier one any more.

Each partition has a transactional id, which its owner takes before it reads what waits there. A process that was frozen
and lost the partition can still read and send, but its transaction fails.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

import structlog
from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from transport.producer import Fenced, FencedProducers
from transport.records import OutgoingRecord
from transport.tasks import is_cancelled

log = structlog.get_logger(__name__)

STAND_OFF_SECONDS = 5.0
"""Seconds to leave a partition to the process that took it; by then Kafka has said whose it is."""
PAUSE_SECONDS = 1.0
"""Seconds to wait after a failure."""
CROWDED_RECORDS_A_SECOND = 500
"""Records a second from which turns are taken more seldom."""


class Outbox(Protocol):
    """One role's records that wait to be published, partition by partition."""

    async def connect(self) -> AsyncConnection[TupleRow]:
        """Open the session that the outbox is read over."""
        ...

    async def publish_waiting(self, connection: AsyncConnection[TupleRow], publisher: "FencedPublisher") -> bool:
        """Publish what waits in the partitions that the publisher owns; return whether more may be waiting already."""
        ...

    def assigned(self, partitions: frozenset[int]) -> None:
        """Learn which partitions the publisher owns from now on."""
        ...

    async def failed(self, partitions: Collection[int], error: Exception) -> None:
        """Learn that nothing of these partitions could be published."""
        ...

    def close(self) -> None:
        """Release what the outbox holds."""
        ...


class FencedPublisher:
    """Owns partitions as a consumer group assigns them, and publishes what waits in them."""

    def __init__(  # noqa: PLR0913 - three of them say when it looks
        self,
        producers: FencedProducers,
        outbox: Outbox,
        *,
        name: str,
        look_seconds: float,
        turn_seconds: float = 0.0,
        crowded_turn_seconds: float = 0.0,
    ) -> None:
        """Make a publisher that owns nothing yet.

        name: in the log. look_seconds: between two looks that nobody asked for. turn_seconds: at least between the
        beginnings of two turns after `wake`, so that records that arrive quickly share transactions; a single record
        waits for nothing. crowded_turn_seconds: the same from `CROWDED_RECORDS_A_SECOND` on: each turn costs
        Kafka a transaction for every partition, however few records it has.
        """
        self._loop = asyncio.get_running_loop()
        self._producers = producers
        self._outbox = outbox
        self._name = name
        self._look_seconds = look_seconds
        self._turn_seconds = turn_seconds
        self._crowded_turn_seconds = max(turn_seconds, crowded_turn_seconds)
        self._turn_began = float("-inf")
        self._published = 0
        self._woken = asyncio.Event()
        self._turn = asyncio.Lock()
        self._partitions: frozenset[int] = frozenset()
        self._left_until: dict[int, float] = {}
        self.owned: frozenset[int] = frozenset()
        """The partitions whose earlier owners are fenced, and that are not left alone for a while."""

    def wake(self) -> None:
        """Look at once for what waits. May be called from any thread."""
        self._loop.call_soon_threadsafe(self._woken.set)

    async def assigned(self, partitions: frozenset[int]) -> None:
        """Own exactly these partitions; earlier owners are fenced before anything of them is read."""
        self._partitions, self._left_until = partitions, {}
        self.owned &= partitions
        self._outbox.assigned(partitions)
        self._woken.set()

    async def revoked(self, _: frozenset[int]) -> None:
        """Own nothing until the next assignment, which names every partition of this process."""
        self._partitions = self.owned = frozenset()

    async def assigned_at_once(self, partitions: frozenset[int]) -> None:
        """Own exactly these partitions; once this returns, earlier owners can write no more. Raises: KafkaError."""
        async with self._turn:
            self.owned = frozenset()
            await self.assigned(partitions)
            await self.take()  # if it fails, the next turn tries again

    async def revoked_after_turn(self, partitions: frozenset[int]) -> None:
        """Own nothing until the next assignment; return after the turn that has begun."""
        async with self._turn:
            await self.revoked(partitions)

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Keep assignments of `assigned_at_once` out for the length of a block."""
        async with self._turn:
            yield

    async def run(self) -> None:
        """Publish until cancelled."""
        try:
            while True:
                try:
                    await self._publish_over_one_session()
                except Exception as error:  # noqa: BLE001 - whatever it is, it is logged and tried again
                    if is_cancelled():
                        return
                    log.warning("publication_failed", publisher=self._name, error=repr(error))
                    await self._outbox.failed(self._partitions, error)
                    await asyncio.sleep(PAUSE_SECONDS)
        finally:
            self._outbox.close()
            await self._producers.close()

    async def publish(self, partition: int, records: Sequence[OutgoingRecord]) -> None:
        """Publish records to an owned partition in one transaction, in order.

        Raises: Fenced when another process owns it now, which it is left to for a while; KafkaError for a failure.
        """
        try:
            await self._producers.publish(partition, records)
        except Fenced:
            log.warning("partition_taken_by_another", publisher=self._name, partition=partition)
            self.leave(partition, STAND_OFF_SECONDS)
            raise
        self._published += len(records)

    async def take(self) -> None:
        """Fence the earlier owners of what is to be published now, and replace failed producers. Raises: KafkaError."""
        now = time.monotonic()
        wanted = frozenset(one for one in self._partitions if self._left_until.get(one, now) <= now)
        await self._producers.own(wanted)
        self.owned = wanted & self._partitions  # some may have been revoked in the meantime

    def leave(self, partition: int, seconds: float) -> None:
        """Publish nothing of a partition for a while."""
        self._left_until[partition] = time.monotonic() + seconds
        self.owned -= {partition}

    async def _publish_over_one_session(self) -> None:
        """Publish until something fails."""
        async with await self._outbox.connect() as connection:
            while True:
                self._woken.clear()
                before, self._turn_began, self._published = self._turn_began, time.monotonic(), 0
                async with self._turn:
                    await self.take()
                if not await self._outbox.publish_waiting(connection, self):
                    crowded = self._published >= CROWDED_RECORDS_A_SECOND * (self._turn_began - before)
                    await self._wait(self._crowded_turn_seconds if crowded else self._turn_seconds)

    async def _wait(self, turn_seconds: float) -> None:
        try:
            async with asyncio.timeout(self._look_seconds):
                await self._woken.wait()
        except TimeoutError:
            return
        await asyncio.sleep(self._turn_began + turn_seconds - time.monotonic())

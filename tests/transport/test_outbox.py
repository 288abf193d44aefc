"""When a publisher looks for what waits."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any, cast

from tests.support.tasks import running
from transport.outbox import CROWDED_RECORDS_A_SECOND, FencedPublisher


class Owning:
    """Producers that are owned at once."""

    async def own(self, partitions: frozenset[int]) -> None: ...
    async def publish(self, *_: Any) -> None: ...
    async def close(self) -> None: ...


class Turns:
    """An outbox that notes when a publisher looks."""

    def __init__(self) -> None:
        self.at: list[float] = []
        self.taken = asyncio.Event()
        self.records = 0

    async def connect(self) -> Any:
        @asynccontextmanager
        async def session() -> AsyncGenerator[None]:
            yield

        return session()

    async def publish_waiting(self, _: Any, publisher: FencedPublisher) -> bool:
        self.at.append(time.monotonic())
        await publisher.publish(0, [cast("Any", None)] * self.records)
        self.taken.set()
        return False

    def close(self) -> None: ...

    async def next(self, publisher: FencedPublisher) -> None:
        self.taken.clear()
        publisher.wake()
        await self.taken.wait()


async def test_turns_that_are_asked_for_at_once_begin_no_sooner_than_they_may() -> None:
    turns = Turns()
    publisher = FencedPublisher(
        cast("Any", Owning()), cast("Any", turns), name="tests", look_seconds=60, turn_seconds=0.2
    )
    async with asyncio.timeout(60), running(publisher.run()):
        await turns.taken.wait()
        for _ in range(3):
            await turns.next(publisher)
    assert all(later - earlier >= 0.19 for earlier, later in pairwise(turns.at))


async def test_turns_are_taken_more_seldom_while_many_records_are_published() -> None:
    turns = Turns()
    publisher = FencedPublisher(
        cast("Any", Owning()), cast("Any", turns), name="tests", look_seconds=60, crowded_turn_seconds=0.3
    )
    async with asyncio.timeout(60), running(publisher.run()):
        await turns.taken.wait()
        turns.records = 60 * CROWDED_RECORDS_A_SECOND
        for _ in range(2):
            await turns.next(publisher)
        turns.records = 0
        await turns.next(publisher)
    _, crowded, seldom = (later - earlier for earlier, later in pairwise(turns.at))
    assert min(crowded, seldom) >= 0.29


async def test_records_that_come_seldom_are_published_at_once() -> None:
    turns = Turns()
    publisher = FencedPublisher(
        cast("Any", Owning()), cast("Any", turns), name="tests", look_seconds=600, crowded_turn_seconds=600
    )
    async with asyncio.timeout(60), running(publisher.run()):
        for _ in range(3):
            await turns.next(publisher)

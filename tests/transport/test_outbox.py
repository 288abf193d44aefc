"""When a publisher looks for what waits."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any, cast

from tests.support.tasks import running
from transport.outbox import FencedPublisher


class Owning:
    """Producers that are owned at once."""

    async def own(self, partitions: frozenset[int]) -> None: ...
    async def close(self) -> None: ...


class Turns:
    """An outbox that notes when a publisher looks."""

    def __init__(self) -> None:
        self.at: list[float] = []
        self.taken = asyncio.Event()

    async def connect(self) -> Any:
        @asynccontextmanager
        async def session() -> AsyncGenerator[None]:
            yield

        return session()

    async def publish_waiting(self, *_: Any) -> bool:
        self.at.append(time.monotonic())
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

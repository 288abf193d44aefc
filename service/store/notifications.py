"""News of the log: how far its partitions have grown."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager, suppress

from transport.clients.postgres import connect_async

CHANNEL = "redletter_places"
"""Every commit to the log sends the last place of each partition that it has written to, as ``partition:place``."""
READ_AGAIN = 15.0
"""Seconds after which a partition is read although nothing is new, so that a log that has lost its end is noticed."""


class Growth:
    """How far one partition is known to have grown, and whether it has been read to its end since it is followed."""

    def __init__(self) -> None:
        self._last = 0
        self._read_to_end = False
        self._news = asyncio.Event()

    def exceeds(self, place: int) -> bool:
        """Return whether entries behind a place are known."""
        return self._last > place

    def may_exceed(self, place: int) -> bool:
        """Return whether there may be entries behind a place, known or not."""
        return not self._read_to_end or self.exceeds(place)

    async def wait_beyond(self, place: int) -> None:
        """Wait until there may be entries behind a place, or it is time to read without news."""
        with suppress(TimeoutError):
            async with asyncio.timeout(READ_AGAIN):
                while not self.may_exceed(place):
                    self._news.clear()
                    await self._news.wait()

    def reached(self, last: int) -> None:
        """Learn that the partition has grown so far."""
        if last > self._last:
            self._last = last
            self._news.set()

    def ends_at(self, last: int) -> None:
        """Learn where the partition ended when it was read to its end. Meanwhile it may be known to have grown."""
        self._last = max(self._last, last)
        self._read_to_end = True

    def forget(self) -> None:
        """Let it be read to its end again."""
        self._read_to_end = False
        self._news.set()


class News:
    """How far the partitions that somebody holds are known to have grown."""

    def __init__(self) -> None:
        self._held: dict[int, Growth] = {}

    @contextmanager
    def of(self, partition: int) -> Generator[Growth]:
        """Give what becomes known of a partition during a block."""
        growth = self._held[partition] = Growth()
        try:
            yield growth
        finally:
            if self._held.get(partition) is growth:  # else somebody else of this process follows it by now
                del self._held[partition]

    def reached(self, partition: int, last: int, *, stopped: bool = False) -> None:
        """Pass on how far a partition has grown. One that is stopped is read to its end, which may resume it."""
        if growth := self._held.get(partition):
            growth.reached(last)
            if stopped:
                growth.forget()

    async def listen(self, database: str) -> None:
        """Listen until the session ends. Raises: psycopg.OperationalError."""
        async with await connect_async(database, "relay") as session:
            await session.execute(f"listen {CHANNEL}")
            for growth in self._held.values():  # what came before went unheard
                growth.forget()
            async for notice in session.notifies():
                partition, _, place = notice.payload.partition(":")
                self.reached(int(partition), int(place))

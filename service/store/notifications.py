"""News of the log: which of its partitions have grown."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

from transport.clients.postgres import connect_async

CHANNEL = "redletter_log"
"""Every commit to the log sends the numbers of the partitions that have grown."""


class News:
    """Wakes whoever waits for a partition to grow."""

    LOOK_AGAIN = 1.0
    """Seconds after which the log is read without a notification, which can be lost."""

    def __init__(self) -> None:
        self._waiting: dict[int, asyncio.Event] = {}

    @contextmanager
    def of(self, partition: int) -> Generator[asyncio.Event]:
        """Give what is set when the partition has grown."""
        self._waiting[partition] = asyncio.Event()
        try:
            yield self._waiting[partition]
        finally:
            del self._waiting[partition]

    @classmethod
    async def wait(cls, event: asyncio.Event) -> None:
        """Wait until there may be something new, and forget that there was."""
        try:
            async with asyncio.timeout(cls.LOOK_AGAIN):
                await event.wait()
        except TimeoutError:
            return
        event.clear()

    async def listen(self, database: str) -> None:
        """Listen until the session ends. Raises: psycopg.OperationalError."""
        async with await connect_async(database, "relay") as session:
            await session.execute(f"listen {CHANNEL}")
            for event in self._waiting.values():
                event.set()
            async for notice in session.notifies():
                for partition in notice.payload.split(","):
                    if event := self._waiting.get(int(partition)):
                        event.set()

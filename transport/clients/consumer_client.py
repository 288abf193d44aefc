"""A Kafka consumer that stops whatever its fetches are doing."""

import asyncio
from typing import Any, cast

from aiokafka import AIOKafkaConsumer


class ConsumerClient(AIOKafkaConsumer):
    """aiokafka's consumer, whose stop() ends: no cancellation comes out of it that nobody asked for.

    The library's cancels its fetches and awaits each. One that pauses after a failure ends as cancelled then, so that
    stop() would raise CancelledError in the midst: connections stay open, and the task that called it ends as if it had
    been cancelled itself.
    """

    async def stop(self) -> None:
        """Stop, and close all connections."""
        await self._end_fetches()
        await super().stop()

    async def _end_fetches(self) -> None:
        fetcher = cast("Any", self)._fetcher  # noqa: SLF001 - there is no public way
        if fetcher is None:
            return
        await _end({fetcher._fetch_task})  # noqa: SLF001 - the same; it begins no others then
        await _end(fetcher._pending_tasks)  # noqa: SLF001 - the same
        fetcher._pending_tasks.clear()  # noqa: SLF001 - the same


async def _end(tasks: set[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)

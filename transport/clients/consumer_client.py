"""A Kafka consumer that stops whatever its fetches are doing."""

import asyncio
from typing import Any, cast

from aiokafka import AIOKafkaConsumer

_CANCELLATIONS = 20
_AGAIN_AFTER = 0.25
"""Seconds. A fetch routine that is just waiting for its own fetches takes their end for its own cancellation."""


class ConsumerClient(AIOKafkaConsumer):
    """aiokafka's consumer, whose stop() ends: no cancellation comes out of it that nobody asked for.

    The library's cancels its fetches and awaits each. One that pauses after a failure ends as cancelled then, so that
    stop() would raise CancelledError in the midst: connections stay open, and the task that called it ends as if it had
    been cancelled itself. So they do where its fetch routine has failed, which stop() raises.
    """

    async def stop(self) -> None:
        """Stop, and close all connections."""
        try:
            await self._end_fetches()
            await super().stop()
        finally:
            await cast("Any", self)._client.close()  # noqa: SLF001 - there is no public way

    async def _end_fetches(self) -> None:
        fetcher = cast("Any", self)._fetcher  # noqa: SLF001 - the same
        if fetcher is None:
            return
        await _end({fetcher._fetch_task})  # noqa: SLF001 - the same; it begins no others then
        await _end(fetcher._pending_tasks)  # noqa: SLF001 - the same
        fetcher._pending_tasks.clear()  # noqa: SLF001 - the same


async def _end(tasks: set[asyncio.Task[Any]]) -> None:
    """Cancel tasks until they are done, for a few seconds: one may swallow a cancellation that comes with another."""
    for _ in range(_CANCELLATIONS):
        running = {task for task in tasks if not task.done()}
        if not running:
            return
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=_AGAIN_AFTER)

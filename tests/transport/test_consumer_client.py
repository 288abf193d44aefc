"""A consumer's stop() ends its fetches and closes its connections, whatever became of them."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, cast

import pytest
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.errors import KafkaError

from transport.clients import kafka
from transport.clients.consumer_client import ConsumerClient


class Connections:
    """Those of a client."""

    open = True

    async def close(self) -> None:
        """Close them."""
        self.open = False


def fetching_by(routine: Coroutine[Any, Any, None]) -> tuple[ConsumerClient, Connections]:
    """Return a consumer that does this instead of fetching, and its connections."""
    consumer, connections = ConsumerClient(bootstrap_servers="nobody.invalid:9092"), Connections()
    fetcher = cast("Any", Fetcher.__new__(Fetcher))
    vars(fetcher).update(_fetch_task=asyncio.ensure_future(routine), _pending_tasks=set(), _fetch_waiters=set())
    vars(consumer).update(_fetcher=fetcher, _client=connections, _coordinator=None)
    return consumer, connections


async def test_a_routine_that_swallows_a_cancellation_is_cancelled_again() -> None:
    began = asyncio.Event()

    async def stubborn() -> None:
        try:
            began.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.Event().wait()

    consumer, connections = fetching_by(stubborn())
    await began.wait()
    async with asyncio.timeout(60):
        await consumer.stop()
    assert not connections.open


async def test_connections_are_closed_where_fetching_had_failed() -> None:
    async def failed() -> None:
        raise KafkaError

    consumer, connections = fetching_by(failed())
    await asyncio.sleep(0)
    with pytest.raises(KafkaError):
        await consumer.stop()
    assert not connections.open


@pytest.mark.parametrize("asked", [False, True])
async def test_whoever_stops_a_client_ends_as_cancelled_only_if_that_was_asked(*, asked: bool) -> None:
    class Client:
        async def stop(self) -> None:
            raise asyncio.CancelledError

    async def stopping() -> None:
        if asked:
            cast("asyncio.Task[None]", asyncio.current_task()).cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
        await kafka.stop(cast("Any", Client()))

    task = asyncio.create_task(stopping())
    await asyncio.wait([task])
    assert task.cancelled() is asked

"""Work within a bound."""

import asyncio
import time

import pytest

from web.http.time_limits import within


async def test_work_that_ends_in_time_gives_its_result_or_its_error() -> None:
    async def done() -> int:
        return 1

    async def failed() -> None:
        raise KeyError

    assert await within(1, done()) == 1
    with pytest.raises(KeyError):
        await within(1, failed())


async def test_work_that_does_not_even_let_go_is_left_behind() -> None:
    release = asyncio.Event()

    async def stubborn() -> None:
        try:
            await release.wait()
        except asyncio.CancelledError:
            await release.wait()

    began = time.monotonic()
    with pytest.raises(TimeoutError):
        await within(0.05, stubborn())
    assert time.monotonic() - began < 30
    release.set()


async def test_work_is_cancelled_with_the_one_who_waits_for_it() -> None:
    cancelled = asyncio.Event()
    begun = asyncio.Event()

    async def long() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    waiting = asyncio.create_task(within(60, long()))
    await begun.wait()
    waiting.cancel()
    await asyncio.wait_for(cancelled.wait(), 60)

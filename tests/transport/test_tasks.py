"""A task ends when it is asked to: whatever fails at that moment, and after what it has begun."""

import asyncio

import pytest

from transport.tasks import finish, is_cancelled


async def test_a_cancellation_that_a_failure_hides_is_not_lost() -> None:
    """What is gathered fails as it is cancelled, like the producer of a relay that is fenced as it lets go."""
    begun = asyncio.Event()

    async def failing() -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            raise ConnectionError

    async def retrying() -> None:
        while not is_cancelled():
            try:
                await asyncio.gather(failing(), asyncio.sleep(60))
            except ConnectionError:
                continue

    task = asyncio.create_task(retrying())
    await begun.wait()
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=60)
    assert done


async def test_what_has_begun_is_finished_although_it_is_cancelled() -> None:
    begun, proceed, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        await proceed.wait()
        done.set()

    task = asyncio.create_task(finish(work(), within=60))
    await begun.wait()
    task.cancel()
    asyncio.get_running_loop().call_soon(proceed.set)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done.is_set()


async def test_what_takes_too_long_to_finish_is_cancelled_too() -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    task = asyncio.create_task(finish(work(), within=0.01))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 60)
    assert cancelled.is_set()


async def test_a_failure_of_what_is_to_be_finished_is_raised() -> None:
    async def work() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await finish(work(), within=60)

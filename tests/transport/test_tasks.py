"""A task that tries again after failures ends when it is asked to, whatever fails at that moment."""

import asyncio

from transport.tasks import is_cancelled


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
    done, _ = await asyncio.wait([task], timeout=5)
    assert done

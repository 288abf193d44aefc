"""Cancellations that must not be lost, and those that come in the middle of something."""

import asyncio
from collections.abc import Coroutine


def is_cancelled() -> bool:
    """Return whether the running task has been asked to end.

    A cancellation can be lost to a failure that comes at the same moment, such as that of a producer that is fenced:
    what is gathered raises the failure instead. A loop that tries again after failures asks here first.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def finish(work: Coroutine[None, None, None], within: float) -> None:
    """Do a piece of work to its end. If cancelled on the way, it has ``within`` seconds more to get there.

    Raises: what the work raises, unless that comes after the cancellation.
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        try:
            await asyncio.wait({task}, timeout=within)
        finally:
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        raise

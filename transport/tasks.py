"""Cancellations that must not be lost."""

import asyncio


def is_cancelled() -> bool:
    """Say whether the running task has been asked to end.

    A cancellation can be lost to a failure that comes at the same moment, such as that of a producer that is fenced:
    what is gathered raises the failure instead. A loop that tries again after failures asks here first.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0

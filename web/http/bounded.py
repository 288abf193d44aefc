"""Work that answers within a bound, also when what it waits for is frozen and does not even let go."""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

_Result = TypeVar("_Result")


async def within(seconds: float, work: Coroutine[None, None, _Result]) -> _Result:
    """Return what the work returns, if it does so in time; else cancel it without waiting for its end.

    A cancelled database call first asks the server to cancel too, and a frozen server does not answer that either.

    Raises: TimeoutError, or what the work raises.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    finally:
        task.cancel()
    if not done:
        raise TimeoutError
    return task.result()

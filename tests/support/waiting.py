"""Waiting, with a bound, for what no event announces."""

import asyncio
import time
from collections.abc import Awaitable, Callable

WITHIN = 30.0
"""Seconds in which what a test waits for must come to be, unless it says otherwise."""


async def until(condition: Callable[[], Awaitable[bool]], within: float = WITHIN) -> None:
    """Wait until a condition holds, at most ``within`` seconds."""
    end = time.monotonic() + within
    while not await condition():
        assert time.monotonic() < end, f"it did not come to be within {within:g} s"
        await asyncio.sleep(0.05)

"""Waiting, with a bound, for what no event announces."""

import asyncio
import time
from collections.abc import Awaitable, Callable

WITHIN = 60.0
"""Seconds after which a test gives up waiting, or calls an answer late. It is far above what the product takes, since
other tests keep the machine busy: how fast something is, benchmarks say."""


async def until(condition: Callable[[], Awaitable[bool]], lacks: Callable[[], str] = lambda: "it is not so") -> None:
    """Wait until a condition holds. lacks: says in a failure what is still not so."""
    end = time.monotonic() + WITHIN
    while not await condition():
        assert time.monotonic() < end, f"{lacks()} after {WITHIN:g} s"
        await asyncio.sleep(0.05)

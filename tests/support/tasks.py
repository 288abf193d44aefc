"""Work that runs for the length of a block."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager, suppress


@asynccontextmanager
async def running(work: Awaitable[None]) -> AsyncGenerator[asyncio.Future[None]]:
    """Run work, and cancel it at the end of the block. What the work itself raises is raised there."""
    task = asyncio.ensure_future(work)
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

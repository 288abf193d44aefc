"""News of the log wake whoever waits, and never keep anybody from ending."""

import asyncio

import pytest

from service.store.notifications import News

TURNS = range(8)
"""Turns of the event loop between the news and the cancellation: one of them is the very moment of waking."""


@pytest.mark.parametrize("turns", TURNS)
async def test_a_relay_that_is_cancelled_as_news_come_ends(turns: int) -> None:
    """Else a relay would keep partitions that another one holds, and no one in its group could continue."""
    event = asyncio.Event()

    async def relaying() -> None:
        while True:
            await News.wait(event)
            await asyncio.sleep(60)

    task = asyncio.create_task(relaying())
    await asyncio.sleep(0.01)
    event.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=30)
    assert done
    assert task.cancelled()

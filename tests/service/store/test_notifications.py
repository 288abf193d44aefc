"""News of the log wake whoever waits, and never keep anybody from ending."""

import asyncio
from contextlib import ExitStack

import pytest

from service.store.notifications import Growth, News

TURNS = range(8)
"""Turns of the event loop between the news and the cancellation: one of them is the very moment of waking."""


async def returns(growth: Growth, place: int) -> bool:
    """Return whether a wait for entries behind a place is over after a few turns of the event loop."""
    waiting = asyncio.create_task(growth.wait_beyond(place))
    for _ in range(4):
        await asyncio.sleep(0)
    waiting.cancel()
    return waiting.done()


async def test_a_partition_is_read_to_its_end_before_anybody_waits_for_news() -> None:
    growth = Growth()
    growth.reached(5)
    assert growth.may_exceed(5)
    assert await returns(growth, 5)
    growth.ends_at(5)
    assert not await returns(growth, 5)


async def test_news_that_come_while_a_partition_is_read_to_its_end_are_not_forgotten() -> None:
    growth = Growth()
    growth.reached(6)
    growth.ends_at(5)
    assert await returns(growth, 5)
    assert not await returns(growth, 6)
    growth.ends_at(5)
    assert growth.exceeds(5)


def test_whoever_lets_a_partition_go_late_keeps_the_next_from_no_news() -> None:
    news = News()
    with ExitStack() as late:
        late.enter_context(news.of(3))
        with news.of(3) as growth:
            late.close()
            news.reached(3, 5)
            assert growth.exceeds(4)


async def test_news_of_what_was_read_already_wake_nobody_and_news_of_more_do() -> None:
    news = News()
    with news.of(3) as growth:
        growth.ends_at(4)
        news.reached(2, 9)
        news.reached(3, 5)
        assert await returns(growth, 4)
        assert not await returns(growth, 5)
        news.reached(3, 4)
        assert not await returns(growth, 5)


async def test_a_partition_that_is_stopped_is_read_to_its_end_again() -> None:
    news = News()
    with news.of(3) as growth:
        growth.ends_at(5)
        waiting = asyncio.create_task(growth.wait_beyond(5))
        await asyncio.sleep(0)
        news.reached(3, 5, stopped=True)
        await waiting
        assert growth.may_exceed(5)


@pytest.mark.parametrize("turns", TURNS)
async def test_a_relay_that_is_cancelled_as_news_come_ends(turns: int) -> None:
    """Else a relay would keep partitions that another one holds, and no one in its group could continue."""
    growth = Growth()
    growth.ends_at(0)

    async def relaying() -> None:
        while True:
            await growth.wait_beyond(0)
            await asyncio.sleep(60)

    task = asyncio.create_task(relaying())
    await asyncio.sleep(0.01)
    growth.reached(1)
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=30)
    assert done
    assert task.cancelled()

"""What /metrics shows is kept: a scrape never waits for a server that does not answer."""

import asyncio
from time import monotonic

import pytest

from web.operations import latest_result
from web.operations.latest_result import LatestResult

FOR_EVER = 60.0


class Server:
    """Answers with the number of times that it was asked, once it may."""

    def __init__(self) -> None:
        self.asked = 0
        self.away = False
        self.answers = asyncio.Event()

    async def ask(self) -> int:
        self.asked += 1
        await self.answers.wait()
        if self.away:
            raise TimeoutError
        return self.asked


@pytest.fixture
async def server() -> Server:
    return Server()


async def test_the_first_to_ask_waits_for_the_first_look(server: Server) -> None:
    asking = asyncio.create_task(LatestResult("tests", FOR_EVER, server.ask).newest())
    await asyncio.sleep(0)
    server.answers.set()
    assert await asking == 1


async def test_later_ones_get_what_was_found_before_while_a_look_takes_long(server: Server) -> None:
    looks = LatestResult("tests", FOR_EVER, server.ask)
    server.answers.set()
    await looks.newest()
    server.answers.clear()
    began = monotonic()
    assert [await looks.newest() for _ in range(3)] == [1, 1, 1]
    assert monotonic() - began < 30
    assert server.asked == 2


async def test_what_could_not_be_found_is_not_given(server: Server) -> None:
    looks = LatestResult("tests", FOR_EVER, server.ask)
    server.answers.set()
    await looks.newest()
    server.away = True
    assert await looks.newest() is None


async def test_what_was_found_too_long_ago_is_not_given(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = LatestResult("tests", FOR_EVER, server.ask)
    server.answers.set()
    await looks.newest()
    server.answers.clear()
    monkeypatch.setattr(latest_result, "_MAX_AGE_SECONDS", 0)
    assert await looks.newest() is None

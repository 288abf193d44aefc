"""What became of returns that were requested together, without servers."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from starlette.middleware.base import RequestResponseEndpoint

from projections.invoices import fold
from projections.invoices.queries import Line
from rules.calendar import MAINLAND_CHINA
from tests.projections.support import facts
from web.console import rendering, returning_selected
from web.gateway.command_publisher import Unavailable
from web.http.identity import ANYBODY

ACCEPTED, UNDECIDED = facts.NUMBER, facts.REPLACEMENT


def line(number: str) -> Line:
    issued = facts.issued(invoice_number=number, kind="general")
    row = fold.fold(None, issued, 1)
    assert row is not None
    return Line(fold.issued_part(issued), row)


class FailingReader:
    """Finds two invoices as often as it is told to, and then nothing more."""

    def __init__(self, times: int) -> None:
        self._left = times

    async def read(self, find: Any) -> Mapping[str, Line]:
        del find
        self._left -= 1
        if self._left < 0:
            raise TimeoutError
        return {number: line(number) for number in (ACCEPTED, UNDECIDED)}


class HalfPublisher:
    """Accepts the return of one invoice; the other cannot be published."""

    async def publish(self, channel: str, key: str, *rest: Any) -> dict[str, Any]:
        del channel, rest
        if key.endswith(UNDECIDED):
            raise Unavailable
        return {"invoice_version": 2}


@pytest.fixture
async def answer() -> httpx.Response:
    """Request two returns, after which the read tables cannot be read any more."""
    app = FastAPI()

    @app.middleware("http")
    async def identify(request: Request, go_on: RequestResponseEndpoint) -> Response:
        request.state.caller = ANYBODY
        return await go_on(request)

    pages = rendering.pages(lambda: None, timedelta(), MAINLAND_CHINA)
    reader: Any = FailingReader(2)
    publisher: Any = HalfPublisher()
    app.include_router(returning_selected.router(pages, reader, publisher, "simple"))
    form = {"key": "k", "number": [ACCEPTED, UNDECIDED], "posting_status": ["not_recorded", "recorded"]}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        return await client.post("/return-selected", data=form)


def test_what_was_accepted_is_said_though_nothing_can_be_read_any_more(answer: httpx.Response) -> None:
    assert answer.status_code == 200
    assert "1 of 2 returns submitted." in answer.text
    assert f'data-accepted="{ACCEPTED}"' in answer.text


def test_what_is_sent_again_is_what_was_sent(answer: httpx.Response) -> None:
    again = f'name="number" value="{UNDECIDED}"><input type="hidden" name="posting_status" value="recorded">'
    assert again in answer.text
    assert 'name="key" value="k"' in answer.text

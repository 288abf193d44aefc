"""An api to ask: in this process, or on a port of its own."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

import httpx
import pytest

from rules.key_wrapping import NO_WRAPPING, KeyWrapping
from tests.support.waiting import until
from transport.addresses import Addresses
from web import app as api
from web.http.identity import ANYBODY_HERE, Access
from web.http.problems import MEDIA_TYPE
from web.serving import run as run_api


@asynccontextmanager
async def serving(
    tables: Addresses, access: Access = ANYBODY_HERE, key_wrapping: KeyWrapping = NO_WRAPPING
) -> AsyncGenerator[httpx.AsyncClient]:
    """Hold an api in this process, and yield a client of it."""
    app = api.build(tables, access=access, key_wrapping=key_wrapping)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
    ):
        yield client


async def measured(client: httpx.AsyncClient, *lines: str) -> None:
    """Wait until the metrics have these lines: a scrape does not wait for them."""
    missing = list(lines)

    async def shown() -> bool:
        metrics = (await client.get("/metrics")).text
        missing[:] = [line for line in lines if line not in metrics]
        return not missing

    await until(shown, lambda: f"the metrics lack {missing}")


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Check that an answer is a problem document, and return its status and code."""
    assert answer.headers["content-type"] == MEDIA_TYPE
    document = answer.json()
    assert document["status"] == answer.status_code
    assert document["title"]
    assert document["detail"]
    assert document["type"] == f"urn:redletter:problem:{document['code']}"
    return answer.status_code, document["code"]


@asynccontextmanager
async def served(
    tables: Addresses, stopped: type[BaseException] = asyncio.CancelledError
) -> AsyncGenerator[tuple[asyncio.Task[None], httpx.AsyncClient]]:
    """Serve on a port of its own until cancelled, there or at the end. stopped: how it ends."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    running = asyncio.create_task(
        run_api(tables, host="127.0.0.1", port=port, clock_shift=timedelta(), general_recorded_route="simple")
    )
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:

        async def answers() -> bool:
            try:
                return (await client.get("/livez")).status_code == 200
            except httpx.ConnectError:
                return False

        await until(answers)
        yield running, client
        running.cancel()
        with pytest.raises(stopped):
            await running

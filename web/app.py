"""The application: its parts, and how it is served."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Coroutine, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from importlib.metadata import version
from typing import Any

import structlog
import uvicorn
from fastapi import APIRouter, FastAPI
from fastapi_offline import FastAPIOffline

from events.values import Route
from rules.calendar import MAINLAND_CHINA, MainlandChina
from transport.addresses import Addresses
from web import console
from web.api import asyncapi, description, invoices, lookups
from web.console.sampling import Sampler
from web.gateway import commands
from web.gateway.publishing import Publisher
from web.http import problems
from web.http.connections import LONGEST_HEADERS, PatientProtocol
from web.http.head import HeadAsGet
from web.http.reading import Reader, pool_of
from web.live import stream
from web.live.stream import MOST_CLIENTS, Hub
from web.operations import health
from web.operations import routes as operations

log = structlog.get_logger(__name__)

VERSION = version("redletter")
IDLE = 75
"""Seconds that an idle connection is kept: longer than callers' pools and proxies keep one (nginx 60, many 5 to 30), so
that it is they who close it. Closed from this side, a request may be on its way on it, and is lost."""
STOP_WITHIN = 2
"""Seconds that requests under way may take when the api stops."""


def build(
    addresses: Addresses,
    clock_shift: timedelta = timedelta(),
    general_recorded_route: Route = "simple",
    calendar: MainlandChina = MAINLAND_CHINA,
) -> FastAPI:
    """Return the application; its lifespan holds the connections, and starts while the servers are down."""
    pool, publisher, hub = pool_of(addresses.database), Publisher(addresses.kafka), Hub(addresses.kafka)
    reader = Reader(pool)
    sampler = Sampler(reader, addresses.kafka)
    ended = asyncio.Event()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
        await pool.open(wait=False)
        parts = {"replies": publisher, "status documents": hub, "samples": sampler}
        listening = [_watched(part.run(), name, ended) for name, part in parts.items()]
        try:
            yield
        finally:
            hub.close()
            await _end(listening)
            await pool.close(timeout=1)

    app = FastAPIOffline(
        title="Redletter",
        version=VERSION,
        description="Where is my return?",
        lifespan=lifespan,
        redirect_slashes=False,  # such a redirect leads wherever the Host header says
    )
    app.state.send_away = hub.close
    app.state.ended = ended
    app.add_middleware(HeadAsGet, endless=stream.PATH)
    app.include_router(invoices.router(reader))
    app.include_router(commands.router(publisher))
    app.include_router(lookups.router(reader))
    app.include_router(stream.router(hub))
    app.include_router(operations.router(reader, addresses.kafka, clock_shift, calendar))
    listens = {"replies": publisher.tail.reading.is_set, "status documents": hub.tail.reading.is_set}
    app.include_router(health.router(reader, addresses.kafka, clock_shift, calendar, listens))
    app.include_router(_description())
    console.install(
        app,
        reader=reader,
        publisher=publisher,
        hub=hub,
        sampler=sampler,
        clock_shift=clock_shift,
        general_recorded_route=general_recorded_route,
        calendar=calendar,
    )
    problems.install(app)
    description.install(app)
    return app


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended: the Kafka client swallows a cancellation that comes while it starts."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=0.2)


def _watched(work: Coroutine[None, None, None], name: str, ended: asyncio.Event) -> asyncio.Task[None]:
    """Run work that goes on as long as the api does; its end, unless asked for, is the end of the api."""

    def note(task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            log.error("a part of the api has ended", part=name, exc_info=task.exception())
            ended.set()

    task = asyncio.create_task(work, name=name)
    task.add_done_callback(note)
    return task


def _description() -> APIRouter:
    router = APIRouter(tags=["description"])

    @router.get("/asyncapi")
    async def topics_and_messages() -> dict[str, Any]:
        """Describe the topics and their messages (AsyncAPI 3.0)."""
        return asyncapi.document(VERSION)

    return router


class _Server(uvicorn.Server):
    """uvicorn without signal handlers of its own: the role decides when to stop."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


async def run(  # noqa: PLR0913 - the settings of the role
    addresses: Addresses,
    *,
    host: str,
    port: int,
    clock_shift: timedelta,
    general_recorded_route: Route,
    calendar: MainlandChina = MAINLAND_CHINA,
) -> None:
    """Serve until cancelled. port: 0 takes any free one; the log tells which.

    Raises: OSError when the port is taken, RuntimeError when a part of the api has ended.
    """
    with listen(host, port) as listening:
        log.info("answering queries", host=host, port=listening.getsockname()[1])
        await _serve(build(addresses, clock_shift, general_recorded_route, calendar), listening)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens. Raises: OSError."""
    listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    # Connections inherit it. asyncio sets it too, but not on those of such a socket: answers then come 40 ms later.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


async def _serve(app: FastAPI, listening: socket.socket) -> None:
    config = uvicorn.Config(
        app,
        http=PatientProtocol,
        h11_max_incomplete_event_size=LONGEST_HEADERS,
        limit_concurrency=2 * MOST_CLIENTS,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=STOP_WITHIN,
        timeout_keep_alive=IDLE,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    ended = asyncio.create_task(app.state.ended.wait())
    try:
        await asyncio.wait({serving, ended}, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            msg = "a part of the api has ended without being asked to"
            raise RuntimeError(msg)
        serving.result()
    finally:
        ended.cancel()
        app.state.send_away()  # or the server would wait for listeners that never leave
        server.should_exit = True
        await asyncio.wait({serving})

"""How the application is served: one uvicorn server on one socket, for as long as every part of the api runs."""

import asyncio
import socket
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta

import structlog
import uvicorn
from fastapi import FastAPI

from events.values import Route
from rules.calendar import MAINLAND_CHINA, MainlandChina
from transport.addresses import Addresses
from web.app import build
from web.http.connections import LONGEST_HEADERS, PatientProtocol
from web.live.hub import MAX_CLIENTS

log = structlog.get_logger(__name__)

_KEEP_ALIVE_SECONDS = 75
"""How long an idle connection is kept: longer than callers' pools and proxies keep one (nginx 60, many 5 to 30), so
that they close it first. If this side did, a request could already be on its way and would be lost."""
_STOP_SECONDS = 2
"""How long open requests may take when the api stops."""


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the role decides when to stop."""

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
    """Serve until cancelled. port: 0 takes any free one, which the log names.

    Raises: OSError when the port is taken, RuntimeError when a part of the api ended.
    """
    with listening_socket(host, port) as listening:
        log.info("api_listening", host=host, port=listening.getsockname()[1])
        await _serve(build(addresses, clock_shift, general_recorded_route, calendar), listening)


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a listening TCP socket. Raises: OSError."""
    listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    # Connections inherit it. asyncio sets it too, but not on those of such a socket: answers then come 40 ms later.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


async def _serve(app: FastAPI, listening: socket.socket) -> None:
    config = uvicorn.Config(
        app,
        http=PatientProtocol,
        h11_max_incomplete_event_size=LONGEST_HEADERS,
        limit_concurrency=2 * MAX_CLIENTS,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=_STOP_SECONDS,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    ended = asyncio.create_task(app.state.part_ended.wait())
    try:
        await asyncio.wait({serving, ended}, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            msg = "a part of the api ended unexpectedly"
            raise RuntimeError(msg)
        serving.result()
    finally:
        ended.cancel()
        app.state.send_listeners_away()  # the server would wait for listeners that never leave
        server.should_exit = True
        await asyncio.wait({serving})

"""How the application is served: one uvicorn server on one socket, for as long as every part of the api runs."""

import asyncio
import socket
from datetime import timedelta

import structlog
import uvicorn
from fastapi import FastAPI

from events.values import Route
from rules.calendar import MAINLAND_CHINA, MainlandChina
from rules.key_wrapping import NO_WRAPPING, KeyWrapping
from transport.addresses import Addresses
from web.app import build
from web.http.identity import ANYBODY_HERE, Access
from web.http.server import listening_socket, serving
from web.http.slow_clients import LONGEST_HEADERS, PatientProtocol
from web.live.hub import MAX_CLIENTS

log = structlog.get_logger(__name__)

_KEEP_ALIVE_SECONDS = 75
"""How long an idle connection is kept: longer than callers' pools and proxies keep one (nginx 60, many 5 to 30), so
that they close it first. If this side did, a request could already be on its way and would be lost."""
_STOP_SECONDS = 2
"""How long open requests may take when the api stops."""


async def run(  # noqa: PLR0913 - the settings of the role
    addresses: Addresses,
    *,
    host: str,
    port: int,
    clock_shift: timedelta,
    general_recorded_route: Route,
    calendar: MainlandChina = MAINLAND_CHINA,
    access: Access = ANYBODY_HERE,
    key_wrapping: KeyWrapping = NO_WRAPPING,
) -> None:
    """Serve until cancelled. port: 0 takes any free one, which the log names.

    Raises: OSError when the port is taken, RuntimeError when a part of the api ended.
    """
    with listening_socket(host, port) as listening:
        log.info("api_listening", host=host, port=listening.getsockname()[1])
        app = build(addresses, clock_shift, general_recorded_route, calendar, access, key_wrapping)
        await _serve(app, listening)


async def _serve(app: FastAPI, listening: socket.socket) -> None:
    config = uvicorn.Config(
        app,
        http=PatientProtocol,
        h11_max_incomplete_event_size=LONGEST_HEADERS,
        limit_concurrency=2 * MAX_CLIENTS,
        log_config=None,
        access_log=False,
        server_header=False,  # it would say what we are made of
        timeout_graceful_shutdown=_STOP_SECONDS,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
    )
    ended = asyncio.create_task(app.state.part_ended.wait())
    async with serving(config, listening) as server:
        try:
            await asyncio.wait({server, ended}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                msg = "a part of the api ended unexpectedly"
                raise RuntimeError(msg)
            server.result()
        finally:
            ended.cancel()
            app.state.send_listeners_away()  # the server would wait for listeners that never leave

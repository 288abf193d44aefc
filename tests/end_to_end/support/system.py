"""The roles of a whole system on real servers, and its address."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from local import ports
from tests.faults.support.roles import Roles
from transport.addresses import Addresses


@asynccontextmanager
async def system(addresses: Addresses, logs: Path, *names: str) -> AsyncGenerator[tuple[Roles, httpx.AsyncClient]]:
    """Start roles, the api among them, and connect to it."""
    (port,) = ports.free(1)
    roles = Roles(addresses, logs, {"REDLETTER_API_PORT": str(port)})
    roles.start(*names)
    try:
        transport = httpx.AsyncHTTPTransport(retries=8)  # while the api starts
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=40, transport=transport) as http:
            yield roles, http
    finally:
        roles.leave()

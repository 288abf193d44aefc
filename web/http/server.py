"""How a role serves HTTP: on a socket of its own, until the role is told to stop."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

import uvicorn


def listening_socket(host: str, port: int) -> socket.socket:
    """Return a listening TCP socket. Raises: OSError."""
    listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    # Connections inherit it. asyncio sets it too, but not on those of such a socket: answers then come 40 ms later.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the role decides when to stop."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


@asynccontextmanager
async def serving(config: uvicorn.Config, listening: socket.socket) -> AsyncGenerator[asyncio.Task[None]]:
    """Serve for the length of a block, and stop the server at its end. The task ends when the server does."""
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield task
    finally:
        server.should_exit = True
        await asyncio.wait({task})

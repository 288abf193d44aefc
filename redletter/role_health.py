"""What every role says of itself over HTTP: whether it lives, whether it works, and its metrics.

A server of its own in the role's event loop: a frozen role does not answer, and that is the answer.
"""

import asyncio
import time
from contextlib import suppress

import psycopg
import structlog
import uvicorn
from aiokafka.errors import KafkaError
from prometheus_client import CONTENT_TYPE_LATEST, Histogram, disable_created_metrics, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from transport.addresses import Addresses
from transport.clients import postgres
from transport.clients.kafka import bare_client
from transport.metrics import OWN_GROUPS, SECONDS
from web.http.server import listening_socket, serving

log = structlog.get_logger(__name__)

_SERVER_SECONDS = 2.0
"""Time limit for a server to answer."""
_KEPT_SECONDS = 1.0
"""How long an answer about the servers is given again: whoever asks often must not be a load on them."""
_LOOP_CHECK_SECONDS = 0.5
_STOP_SECONDS = 1
disable_created_metrics()  # a time of creation for each series would double what is scraped
_DELAY = Histogram(
    "redletter_event_loop_delay_seconds", "How late the event loop ran a task that was due", buckets=SECONDS
)


class Readiness:
    """Whether this process can work: its servers answer, and its consumer groups have assigned it partitions."""

    def __init__(self, addresses: Addresses, role: str) -> None:
        self._addresses = addresses
        self._role = f"{role} health"
        self._connect = postgres.connect_reading_async if role == "api" else postgres.connect_async
        self._asking = asyncio.Lock()
        self._found: tuple[float, list[str]] = (-_KEPT_SECONDS, [])

    async def reasons(self) -> list[str]:
        """Return why it is not ready; nothing where it is."""
        async with self._asking:
            at, away = self._found
            if time.monotonic() - at >= _KEPT_SECONDS:
                answers = await asyncio.gather(self._database_answers(), self._kafka_answers())
                away = [
                    reason for reason, found in zip(("DATABASE_AWAY", "KAFKA_AWAY"), answers, strict=True) if not found
                ]
                self._found = (time.monotonic(), away)
        return [*away, *(f"NOT_JOINED {group}" for group in OWN_GROUPS.missing())]

    async def _database_answers(self) -> bool:
        with suppress(psycopg.Error, TimeoutError):
            async with asyncio.timeout(_SERVER_SECONDS):
                async with await self._connect(self._addresses.database, self._role) as connection:
                    await connection.execute("select 1")
            return True
        return False

    async def _kafka_answers(self) -> bool:
        milliseconds = int(_SERVER_SECONDS * 1000)
        with suppress(KafkaError, TimeoutError):
            async with (
                asyncio.timeout(_SERVER_SECONDS),
                bare_client(self._addresses.kafka, self._role, request_timeout_ms=milliseconds) as client,
            ):
                await client.bootstrap()
            return True
        return False


def health_app(readiness: Readiness) -> Starlette:
    """Return the application with /livez, /readyz and /metrics."""

    async def livez(_: Request) -> Response:
        return JSONResponse({"status": "live"})

    async def readyz(_: Request) -> Response:
        reasons = await readiness.reasons()
        body = {"status": "not_ready" if reasons else "ready", "reasons": reasons}
        return JSONResponse(body, status_code=503 if reasons else 200)

    async def metrics(_: Request) -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return Starlette(routes=[Route("/livez", livez), Route("/readyz", readyz), Route("/metrics", metrics)])


async def serve_health(addresses: Addresses, role: str, host: str, port: int) -> None:
    """Serve until cancelled. port: 0 takes any free one, which the log names. Raises: OSError when it is taken."""
    with listening_socket(host, port) as listening:
        log.info("health_listening", host=host, port=listening.getsockname()[1])
        config = uvicorn.Config(
            health_app(Readiness(addresses, role)),
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
        async with serving(config, listening):
            await _watch_loop()


async def _watch_loop() -> None:
    while True:
        due = time.monotonic() + _LOOP_CHECK_SECONDS
        await asyncio.sleep(_LOOP_CHECK_SECONDS)
        _DELAY.observe(time.monotonic() - due)

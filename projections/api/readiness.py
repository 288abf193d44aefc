"""Whether the api can do its work now: every check is bounded, and none hangs while a server is down or frozen."""

import asyncio
from collections.abc import Coroutine
from http import HTTPStatus

import structlog
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from psycopg import Error

from projections import health
from projections.api.bounded import within
from projections.api.problems import Problem
from projections.api.reading import Reader
from projections.health import Stopped

log = structlog.get_logger(__name__)

CHECK_WITHIN = 2.0
"""Seconds within which each server must have answered."""
_TABLES = "select exists (select from projections.status), exists (select from projections.details)"


async def check(reader: Reader, kafka: str) -> list[Stopped]:
    """Return the read models that have stopped, when both servers answered.

    Raises: Problem that names what is down.
    """
    reached = await asyncio.gather(_reached("database", _database(reader)), _reached("kafka", _kafka(kafka)))
    down = [name for name in reached if name is not None]
    if down:
        detail = f"Not reachable or not ready: {', '.join(down)}."
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "NOT_READY", detail, down=list(down))
    return await within(CHECK_WITHIN, reader.read(health.stopped))


async def _reached(name: str, work: Coroutine[None, None, None]) -> str | None:
    """Return None, or the name of what did not answer."""
    try:
        await within(CHECK_WITHIN, work)
    except (TimeoutError, OSError, Error, KafkaError) as error:
        log.warning("not ready", server=name, error=repr(error))
        return name
    return None


async def _database(reader: Reader) -> None:
    await reader.read(lambda connection: connection.execute(_TABLES))


async def _kafka(bootstrap: str) -> None:
    """Ask for the cluster's metadata over a new connection; an old one would only say that Kafka was there once."""
    client = AIOKafkaClient(bootstrap_servers=bootstrap, request_timeout_ms=int(CHECK_WITHIN * 1000))
    try:
        await client.bootstrap()
    finally:
        await client.close()

"""Work that ends within a time limit, even when the server that it waits for is frozen and ignores cancellation."""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

import structlog
from aiokafka.errors import KafkaError
from psycopg import Error

log = structlog.get_logger(__name__)

_Result = TypeVar("_Result")


async def within(seconds: float, work: Coroutine[None, None, _Result]) -> _Result:
    """Return the result of the work if it comes in time; otherwise cancel the work without waiting for its end.

    A cancelled database call first asks the server to cancel the query, which a frozen server does not answer either.

    Raises: TimeoutError, or what the work raises.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    finally:
        task.cancel()
    if not done:
        raise TimeoutError
    return task.result()


async def attempt(what: str, seconds: float, work: Coroutine[None, None, _Result]) -> _Result | None:
    """Return the result of the work, or None if Kafka or PostgreSQL does not provide it in time."""
    try:
        return await within(seconds, work)
    except (TimeoutError, OSError, Error, KafkaError) as error:
        log.warning("not_available", what=what, error=repr(error))
        return None

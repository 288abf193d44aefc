"""Reading topics beside the consumer groups: the same client, which steps over what it cannot decode."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Literal

from transport.stepping_consumer import SteppingConsumer

REQUEST_TIMEOUT_MS = 10_000
"""Milliseconds to wait for an answer of Kafka: somebody waits for what is read."""


@asynccontextmanager
async def reading(
    bootstrap: str, *, isolation: Literal["read_committed", "read_uncommitted"] = "read_committed"
) -> AsyncGenerator[SteppingConsumer]:
    """Yield a consumer without a group; whoever reads assigns partitions to it and seeks. Raises: KafkaError."""
    consumer = SteppingConsumer(
        bootstrap_servers=bootstrap.split(","),
        isolation_level=isolation,
        enable_auto_commit=False,
        request_timeout_ms=REQUEST_TIMEOUT_MS,
    )
    try:
        await consumer.start()
        yield consumer
    finally:
        await asyncio.sleep(0)  # stopped right after its start, the client lets a CancelledError out
        await consumer.stop()

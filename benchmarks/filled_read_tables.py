"""Read tables of any size: a hundred invoices come through Kafka and the projector, and are then multiplied."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress

import psycopg

from benchmarks.event_load import Stored, publish, story
from benchmarks.multiplied import FIRST, Originals, multiply_read_tables
from projections import projector, schema
from transport.addresses import Addresses

MODELS = 100
"""Invoices that are multiplied."""
RETURNED = 4
"""The first of them, which were returned."""
ISSUED_ON = "2026-02-01"
WITHIN = 60.0
"""Seconds in which the projector must have them."""


def multiplied_events() -> Sequence[Stored]:
    """Return the events of the invoices that are multiplied: most are issued, one is being returned, four were."""
    lengths = [6] * RETURNED + [4] + [2] * (MODELS - RETURNED - 1)
    return [one for index, length in enumerate(lengths) for one in story(FIRST + index)[:length]]


@asynccontextmanager
async def _projected(own: Addresses) -> AsyncGenerator[None]:
    """Let the projector run until all its models have seen the last version of each invoice."""
    projecting = asyncio.create_task(projector.run(own))
    try:
        async with asyncio.timeout(WITHIN):
            while await asyncio.to_thread(_missing, own):
                await asyncio.sleep(0.2)
        yield
    finally:
        projecting.cancel()
        with suppress(asyncio.CancelledError):
            await projecting


def _missing(own: Addresses) -> bool:
    with psycopg.connect(own.database) as connection:
        counts = connection.execute(
            "select (select count(*) from projections.history), (select count(*) from projections.status), "
            "(select count(*) from projections.invoices), (select count(*) from projections.details), "
            "(select count(*) from projections.charges), (select count(*) from projections.forms), "
            "(select count(*) from projections.returns where complete_at is not null)"
        ).fetchone()
    return counts != (len(multiplied_events()), MODELS, MODELS, MODELS, MODELS, RETURNED + 1, RETURNED)


async def fill_read_tables(own: Addresses, copies: int) -> None:
    """Bring invoices into the read tables, ``copies`` times `MODELS` of them."""
    await asyncio.to_thread(schema.ensure_read_tables, own.database)
    await publish(own.kafka, multiplied_events())
    async with _projected(own):
        pass
    await asyncio.to_thread(multiply_read_tables, own.database, Originals(MODELS, ISSUED_ON), range(copies))

"""The projector: every read model in one process, each reading for itself, so that one that stops stops alone."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from projections.catalogue import MODELS, CatalogueEntry
from projections.engine.health import Health
from projections.engine.live import LiveProjection
from projections.engine.projection import Projection
from projections.publication.publisher import Publisher
from transport.addresses import Addresses
from transport.consumer import consume

log = structlog.get_logger(__name__)

MOST = 1000
"""Records in one transaction."""
PAUSE = 2.0
"""Seconds before what broke down is begun again."""


async def run(addresses: Addresses) -> None:
    """Keep the read models up with their topics until cancelled."""
    publisher = Publisher(addresses)
    async with asyncio.TaskGroup() as group:
        for name, entry in MODELS.items():
            follow = partial(_publishing if name == "status" else _follow, addresses, entry, publisher)
            group.create_task(_kept_going(name, follow))
        group.create_task(_kept_going("status publication", publisher.run))


async def _publishing(addresses: Addresses, entry: CatalogueEntry, publisher: Publisher) -> None:
    """Keep the status read model up, and let the publisher know of what it changes and whose partitions they are."""
    await _consume(addresses, entry, _projection(addresses, entry, publisher.wake), publisher)


async def _follow(addresses: Addresses, entry: CatalogueEntry, _: Publisher) -> None:
    await _consume(addresses, entry, _projection(addresses, entry))


def _projection(
    addresses: Addresses, entry: CatalogueEntry, committed: Callable[[], None] = lambda: None
) -> LiveProjection:
    health = Health(addresses.database, entry.name)
    projection = Projection(
        addresses.database, consumer=entry.consumer, model=entry.make(), committed=committed, guard=health
    )
    return LiveProjection(projection, health)


async def _consume(
    addresses: Addresses, entry: CatalogueEntry, projection: LiveProjection, publisher: Publisher | None = None
) -> None:
    """Read the topic until cancelled; the last batch in hand is finished before the connection goes."""
    try:
        await consume(
            addresses,
            group=entry.consumer,
            topics=[entry.topic],
            work=projection,
            most=MOST,
            found=projection.found,
            assigned=publisher and publisher.assigned,
            revoked=publisher and publisher.revoked,
        )
    finally:
        await asyncio.to_thread(projection.close)


async def _kept_going(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Begin the work again whenever it breaks down; the others go on meanwhile."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("a part of the projector broke down; it is begun again", part=name)
        await asyncio.sleep(PAUSE)

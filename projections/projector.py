"""The projector: every read model in one process, each with its own consumer group, so that one can stop alone."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from projections.catalogue import MODELS, CatalogueEntry
from projections.engine.health import Health
from projections.engine.live import LiveProjection
from projections.engine.projection import Projection
from projections.publication.publisher import status_publisher
from transport.addresses import Addresses
from transport.consumer import consume
from transport.outbox import FencedPublisher
from transport.tasks import is_cancelled

log = structlog.get_logger(__name__)

_MAX_BATCH_RECORDS = 1000
"""Records in one transaction."""
_RESTART_AFTER = 2.0
"""Seconds before a failed task is restarted."""


async def run(addresses: Addresses) -> None:
    """Keep the read models up to date with their topics until cancelled."""
    publisher = status_publisher(addresses)
    async with asyncio.TaskGroup() as group:
        for name, entry in MODELS.items():
            task = partial(_project, addresses, entry, publisher if entry.publication else None)
            group.create_task(_restarting(name, task))
        group.create_task(_restarting("status publication", publisher.run))


async def _project(addresses: Addresses, entry: CatalogueEntry, publisher: FencedPublisher | None) -> None:
    """Project the topic until cancelled. The batch in progress is finished before the connection closes.

    publisher: notified of every commit, and of the partitions that this process owns.
    """
    health = Health(addresses.database, entry.name, entry.fingerprint)
    projection = LiveProjection(
        Projection(
            addresses.database,
            consumer=entry.consumer,
            model=entry.make(),
            committed=publisher.wake if publisher else _nothing,
            guard=health,
        ),
        health,
    )
    try:
        await consume(
            addresses,
            group=entry.consumer,
            topics=[entry.topic],
            work=projection,
            max_records=_MAX_BATCH_RECORDS,
            found=projection.found,
            assigned=publisher and publisher.assigned,
            revoked=publisher and publisher.revoked,
        )
    finally:
        await asyncio.to_thread(projection.close)


def _nothing() -> None:
    """Do nothing after a commit."""


async def _restarting(name: str, task: Callable[[], Awaitable[None]]) -> None:
    """Restart the task whenever it fails, so that the others keep running."""
    while not is_cancelled():
        try:
            await task()
        except Exception:
            log.exception("projector_task_failed", task=name)
        await asyncio.sleep(_RESTART_AFTER)

"""The projector: every read model in one process.

Those of `invoice.events` travel together as long as they keep up. Each has a consumer group of its own as well, in
which it reads alone where it has been left behind, so that one that stops stops alone.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import cast

import structlog

from events.names import PROJECTOR_GROUP
from events.topics import EVENTS_TOPIC
from projections.catalogue import MODELS, REBUILT, CatalogueEntry
from projections.dead_letters.handling import delete_old
from projections.engine.health import Health
from projections.engine.joint_projection import JointProjection, Traveller
from projections.engine.live_projection import LiveProjection
from projections.engine.projection import ROLE, Projection
from projections.engine.read_model import EventModel
from projections.publication.publisher import status_publisher
from transport.addresses import Addresses
from transport.clients.postgres import connect
from transport.consumer import consume
from transport.outbox import FencedPublisher
from transport.tasks import is_cancelled
from transport.threads import OwnThread

log = structlog.get_logger(__name__)

_MAX_BATCH_RECORDS = 2000
"""Records in one transaction."""
_TURN_SECONDS = 0.05
"""Least seconds from one transaction to the next of a read model on its own: it is behind, or nobody waits for it."""
_RESTART_AFTER = 2.0
"""Seconds before a failed task is restarted."""
_DELETE_EVERY = 3600.0
"""Seconds between two deletions of old dead letters."""


async def run(addresses: Addresses) -> None:
    """Keep the read models up to date with their topics until cancelled."""
    publisher = status_publisher(addresses)
    async with asyncio.TaskGroup() as group:
        group.create_task(_restarting("read models together", partial(_project_together, addresses, publisher)))
        for name, entry in MODELS.items():
            task = partial(_project, addresses, entry, publisher.wake if entry.publication else _nothing)
            group.create_task(_restarting(name, task))
        group.create_task(_restarting("status publication", publisher.run))
        group.create_task(_restarting("dead letters' retention", partial(_delete_old_letters, addresses.database)))


async def _project_together(addresses: Addresses, publisher: FencedPublisher) -> None:
    """Project `invoice.events` for all read models that keep up, until cancelled.

    publisher: notified of every commit, and of the partitions that this process owns.
    """
    travellers = [
        # What is made of events takes them in steps.
        Traveller(entry.name, entry.consumer, cast("EventModel", entry.make()), entry.fingerprint)
        for entry in REBUILT.values()
    ]
    work = JointProjection(addresses.database, leader=PROJECTOR_GROUP, travellers=travellers, committed=publisher.wake)
    try:
        await consume(
            addresses,
            group=PROJECTOR_GROUP,
            topics=[EVENTS_TOPIC],
            work=work,
            max_records=_MAX_BATCH_RECORDS,
            found=work.found,
            assigned=publisher.assigned,
            revoked=publisher.revoked,
        )
    finally:
        await asyncio.to_thread(work.close)


async def _project(addresses: Addresses, entry: CatalogueEntry, committed: Callable[[], None]) -> None:
    """Project the topic for one read model until cancelled, where it does not travel with others.

    The batch in progress is finished before the connection closes.
    """
    health = Health(addresses.database, entry.name, entry.fingerprint)
    projection = LiveProjection(
        Projection(
            addresses.database,
            consumer=entry.consumer,
            model=entry.make(),
            committed=committed,
            guard=health,
            parks=entry.name if entry.name in REBUILT else None,
        ),
        health,
    )
    try:
        await consume(
            addresses,
            group=entry.consumer,
            topics=[entry.topic, *entry.beside],
            work=projection,
            max_records=_MAX_BATCH_RECORDS,
            turn_seconds=_TURN_SECONDS,
            found=projection.found,
            leader=PROJECTOR_GROUP if entry.name in REBUILT else None,
        )
    finally:
        await asyncio.to_thread(projection.close)


async def _delete_old_letters(database: str) -> None:
    """Delete, again and again, the dead letters that their topic no longer keeps, until cancelled."""
    thread = OwnThread("dead letters' retention")
    try:
        while True:
            await thread.run(_delete_once, database)
            await asyncio.sleep(_DELETE_EVERY)
    finally:
        thread.close()


def _delete_once(database: str) -> None:
    with connect(database, ROLE) as connection, connection.transaction(), connection.cursor() as cur:
        if deleted := delete_old(cur):
            log.info("old_dead_letters_deleted", rows=deleted)


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

"""The projector: every read model in one process, each reading for itself, so that one that stops stops alone."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from events.topics import EVENTS
from projections.details import fold as details
from projections.details.table import DetailsTable
from projections.folding import Row
from projections.projection import Projection
from projections.status import fold as status
from projections.status import outbox
from projections.status.publisher import Publisher
from projections.status.table import StatusTable
from transport.addresses import Addresses
from transport.consumer import Owning, consume

log = structlog.get_logger(__name__)

STATUS_CONSUMER = "redletter.projector.status"
DETAILS_CONSUMER = "redletter.projector.details"
"""Each is the consumer group's name and that of the positions."""
MOST = 1000
"""Events in one transaction."""
PAUSE = 2.0
"""Seconds before what broke down is begun again."""


async def run(addresses: Addresses) -> None:
    """Keep the read models up with `invoice.events` until cancelled."""
    publisher = Publisher(addresses)
    async with asyncio.TaskGroup() as group:
        group.create_task(_kept_going("status", lambda: _status(addresses, publisher)))
        group.create_task(_kept_going("details", lambda: _details(addresses)))
        group.create_task(_kept_going("status publication", publisher.run))


async def _status(addresses: Addresses, publisher: Publisher) -> None:
    projection = Projection(
        addresses.database,
        consumer=STATUS_CONSUMER,
        fold=status.fold,
        table=StatusTable(),
        announce=outbox.put,
        committed=publisher.wake,
    )
    await _follow(addresses, STATUS_CONSUMER, projection, publisher.assigned, publisher.revoked)


async def _details(addresses: Addresses) -> None:
    projection = Projection(addresses.database, consumer=DETAILS_CONSUMER, fold=details.fold, table=DetailsTable())
    await _follow(addresses, DETAILS_CONSUMER, projection)


async def _follow(
    addresses: Addresses,
    consumer: str,
    projection: Projection[Row],
    assigned: Owning | None = None,
    revoked: Owning | None = None,
) -> None:
    """Fold `invoice.events` until cancelled; the last batch in hand is finished before the connection goes."""
    try:
        await consume(
            addresses,
            group=consumer,
            topics=[EVENTS],
            work=projection,
            most=MOST,
            assigned=assigned,
            revoked=revoked,
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

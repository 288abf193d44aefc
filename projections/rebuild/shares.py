"""The bulk of a rebuild, partition by partition in processes of their own: folding keeps a whole core busy."""

import asyncio
import os
from collections.abc import Mapping

from aiokafka import TopicPartition
from anyio import to_process

from projections.catalogue import MODELS, CatalogueEntry
from projections.rebuild.filling import Filling, PartitionOffsets, Progress, filling
from transport.addresses import Addresses
from transport.positions import PositionLost

MIN_RECORDS_FOR_PROCESSES = 100_000
"""Messages behind from which processes pay: each needs a second to begin."""
_POLL_SECONDS = 0.25
"""Seconds between two looks at how far the processes are."""


async def fill(
    addresses: Addresses, entry: CatalogueEntry, own: Filling, targets: PartitionOffsets, progress: Progress
) -> None:
    """Fill the new tables up to these positions, as many partitions at a time as there are cores; ``own`` stands there.

    Cancelled, it ends the processes. Raises: KafkaError, psycopg.Error, as the processes did.
    """
    parent = os.getpid()
    tasks = [
        asyncio.ensure_future(
            to_process.run_sync(_fill, addresses, entry.name, partition, target, parent, cancellable=True)
        )
        for partition, target in targets.items()
    ]
    tasks_and_eyes = [*tasks, asyncio.ensure_future(_tell(own, targets, progress))]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks_and_eyes:
            task.cancel()
        await asyncio.gather(*tasks_and_eyes, return_exceptions=True)
    await own.begin(list(targets))


async def _tell(own: Filling, targets: Mapping[TopicPartition, int], progress: Progress) -> None:
    """Report progress: each transaction of the processes stores the positions with the rows."""
    total = sum(targets.values())
    while True:
        progress(sum((await own.stored(list(targets))).values()), total)
        await asyncio.sleep(_POLL_SECONDS)


def _fill(addresses: Addresses, model: str, partition: TopicPartition, target: int, parent: int) -> None:
    """Fill one partition in this process, unless the one that asked for it is gone."""

    def go_on_with_parent(_done: int, _total: int) -> None:
        if os.getppid() != parent:
            raise SystemExit

    async def reach() -> None:
        async with filling(addresses, MODELS[model], go_on_with_parent) as fill:
            await fill.begin([partition])
            await fill.reach({partition: target})

    try:
        asyncio.run(reach())
    except PositionLost:
        """A rebuild that was killed had written one more batch: whoever asked looks again where the tables are."""

"""The bulk of a rebuild, each partition in a process of its own: folding keeps a whole core busy."""

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
"""Records behind from which processes are worth their start, which takes a second each."""
_POLL_SECONDS = 0.25
"""Seconds between two reports of progress."""


async def fill(
    addresses: Addresses, entry: CatalogueEntry, own: Filling, targets: PartitionOffsets, progress: Progress
) -> None:
    """Fill the new tables up to these positions, as many partitions at a time as there are cores.

    ``own`` continues from there. Cancelled, it ends the processes. Raises: KafkaError, psycopg.Error, as they did.
    """
    parent = os.getpid()
    tasks = [
        asyncio.ensure_future(
            to_process.run_sync(_fill, addresses, entry.name, partition, target, parent, cancellable=True)
        )
        for partition, target in targets.items()
    ]
    tasks_and_report = [*tasks, asyncio.ensure_future(_report(own, targets, progress))]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks_and_report:
            task.cancel()
        await asyncio.gather(*tasks_and_report, return_exceptions=True)
    await own.begin(list(targets))


async def _report(own: Filling, targets: Mapping[TopicPartition, int], progress: Progress) -> None:
    """Report progress: each transaction of the processes stores the positions with the rows."""
    total = sum(targets.values())
    while True:
        progress(sum((await own.stored(list(targets))).values()), total)
        await asyncio.sleep(_POLL_SECONDS)


def _fill(addresses: Addresses, model: str, partition: TopicPartition, target: int, parent: int) -> None:
    """Fill one partition in this process, unless the one that asked for it is gone."""

    def stop_without_parent(_done: int, _total: int) -> None:
        if os.getppid() != parent:
            raise SystemExit

    async def reach() -> None:
        async with filling(addresses, MODELS[model], stop_without_parent) as fill:
            await fill.begin([partition])
            await fill.reach({partition: target})

    try:
        asyncio.run(reach())
    except PositionLost:
        """A killed rebuild had written one more batch: the parent reads the positions of the tables again."""

"""The write side with several workers and relays on this machine, which share its cores with the servers."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from benchmarks.fresh_servers import Servers, system
from benchmarks.programs import running, several
from benchmarks.stopwatch import stopwatch
from benchmarks.workload import STEPS, waves
from events.names import RELAY_GROUP, WORKER_GROUP
from local import terminal
from transport.clients.kafka import bare_client
from transport.groups import describe

JOINED_WITHIN = 60.0
"""Seconds."""
LOOK_EVERY = 0.2
WARMING = 100
"""Invoices before the clock starts."""


async def measure_workers(
    servers: Servers, folder: Path, counts: Sequence[int], commands: int
) -> Sequence[Sequence[str]]:
    """Return the rows of the table. counts: of workers, and of as many relays."""
    rows: list[Sequence[str]] = []
    for count in counts:
        async with system(servers.addresses) as own:
            with running(several(count), own, folder) as processes:
                await _joined(own.kafka, count)
                timed = range(commands // len(STEPS))
                warming = waves(range(timed.stop, timed.stop + WARMING * count))
                async with stopwatch(own, processes, servers.pids, read_side=False) as clock:
                    measured = await clock.run(warming, waves(timed))
        rows.append((str(count), f"{measured.published:,.0f}", f"{sum(measured.cpu_us.values()):,.0f}"))
        terminal.print_line(f"{count} workers and relays: {measured.published:,.0f} commands/s")
    return rows


async def _joined(bootstrap: str, count: int) -> None:
    """Wait until so many workers and relays share the partitions."""
    async with bare_client(bootstrap, "benchmark") as client, asyncio.timeout(JOINED_WITHIN):
        await client.bootstrap()
        while True:
            groups = await describe(client, [WORKER_GROUP, RELAY_GROUP])
            if [(group.state, len(group.members)) for group in groups.values()] == [("Stable", count)] * 2:
                return
            await asyncio.sleep(LOOK_EVERY)

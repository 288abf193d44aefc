"""What one invoice with very many events costs the others: their commands alone, and among commands for that one."""

import asyncio
from collections.abc import Sequence
from itertools import chain, count, islice
from pathlib import Path

from benchmarks.fresh_servers import Servers, system
from benchmarks.multiplied import FIRST, lengthen
from benchmarks.programs import command_lines, running
from benchmarks.stopwatch import stopwatch
from benchmarks.summary import median_and_range
from benchmarks.workload import number_of, posting_change, waves
from local import terminal
from transport.records import OutgoingRecord

RUNS = 3
EVERY = 100
"""One command in so many is for the hot invoice."""


async def measure_hot_invoice(servers: Servers, folder: Path, events: int, commands: int) -> Sequence[Sequence[str]]:
    """Return the rows of the table. commands: of each run, for an invoice of their own each."""
    number = number_of(FIRST)
    rates: dict[str, list[float]] = {"alone": [], f"1 in {EVERY} for an invoice with {events:,} events": []}
    async with system(servers.addresses) as own:
        lines = command_lines("redletter", own, folder)
        with running(lines, own, folder) as processes:
            async with stopwatch(own, processes, servers.pids, read_side=False) as clock:
                await clock.run(islice(waves(range(FIRST, FIRST + 1)), 2), [])  # issued, and recorded
        await asyncio.to_thread(lengthen, own.database, number, events)
        loads, changes = count(), count()
        with running(lines, own, folder) as processes:
            async with stopwatch(own, processes, servers.pids, read_side=False) as clock:
                await clock.run([_neighbours(next(loads), commands)], [])
                for run in range(1, RUNS + 1):
                    for name, of_one in rates.items():
                        wave = _neighbours(next(loads), commands)
                        if name != "alone":
                            wave = _among(wave, [posting_change(number, next(changes)) for _ in wave[::EVERY]])
                        of_one.append((await clock.run([], [wave])).published)
                        terminal.print_line(f"run {run} of {RUNS}: {name}: {of_one[-1]:,.0f} commands/s")
    return [(name, median_and_range(of_one)) for name, of_one in rates.items()]


def _neighbours(load: int, commands: int) -> Sequence[OutgoingRecord]:
    return next(waves(range(load * commands, (load + 1) * commands)))


def _among(neighbours: Sequence[OutgoingRecord], hot: Sequence[OutgoingRecord]) -> Sequence[OutgoingRecord]:
    """Put one of the hot commands before each `EVERY` of the others."""
    groups = (neighbours[index : index + EVERY] for index in range(0, len(neighbours), EVERY))
    return [*chain.from_iterable((one, *group) for one, group in zip(hot, groups, strict=True))]

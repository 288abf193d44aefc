"""What remembering the ids of very many commands costs: the same commands, before and after the log has so many."""

import asyncio
from collections.abc import Sequence
from itertools import count
from pathlib import Path

from benchmarks.fresh_servers import Servers, system
from benchmarks.multiplied import FIRST, Originals, multiply_replies
from benchmarks.programs import command_lines, running
from benchmarks.stopwatch import Stopwatch, stopwatch
from benchmarks.summary import median_and_range
from benchmarks.workload import STEPS, waves
from local import terminal

RUNS = 5
ORIGINALS = Originals(100, "2026-02-13")
WARMING = 100
"""Invoices before the clock starts."""


async def measure_remembered_ids(servers: Servers, folder: Path, ids: int, commands: int) -> Sequence[Sequence[str]]:
    """Return the rows of the table. ids: how many are filled in. commands: of each run."""
    rates: dict[str, list[float]] = {}
    loads = count()
    async with system(servers.addresses) as own:
        with running(command_lines("redletter", own, folder), own, folder) as processes:
            async with stopwatch(own, processes, servers.pids, read_side=False) as clock:
                await clock.run(waves(range(FIRST, FIRST + ORIGINALS.invoices)), [])
                rates["none"] = await _several(clock, loads, commands)
                terminal.print_line(f"filling in {ids:,} command ids")
                copies = range(ids // (ORIGINALS.invoices * len(STEPS)))
                await asyncio.to_thread(multiply_replies, own.database, ORIGINALS, copies)
                rates[f"{ids:,}"] = await _several(clock, loads, commands)
    return [(name, median_and_range(of_one)) for name, of_one in rates.items()]


async def _several(clock: Stopwatch, loads: "count[int]", commands: int) -> list[float]:
    invoices, rates = commands // len(STEPS), list[float]()
    for run in range(1, RUNS + 1):
        first = next(loads) * (invoices + WARMING)
        timed, warming = range(first, first + invoices), range(first + invoices, first + invoices + WARMING)
        rates.append((await clock.run(waves(warming), waves(timed))).published)
        terminal.print_line(f"run {run} of {RUNS}: {rates[-1]:,.0f} commands/s")
    return rates

"""The whole system as its store grows: the same commands, after so many events and as many remembered command ids.

A hundred invoices go through all roles as ever; their rows are then multiplied in place, in the log and in the read
tables, until the store has the size.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

import psycopg
from rich.console import Console

from benchmarks.fresh_servers import Servers, system
from benchmarks.multiplied import FIRST, Originals, multiply_log, multiply_read_tables
from benchmarks.programs import command_lines, running
from benchmarks.round_trips import Load, redletter
from benchmarks.stopwatch import Measurement, stopwatch
from benchmarks.summary import milliseconds, percentile
from benchmarks.workload import STEPS, waves
from local import terminal
from projections import schema
from transport.addresses import Addresses

ORIGINALS = Originals(100, "2026-02-13")
NEW = 800_000_000_000
"""The index of the first invoice that is not multiplied."""
RATE, SECONDS = 200, 10
"""Commands a second of which the latency is measured, and for how long."""
WARMING = 100
"""Invoices before the clock starts."""
_BYTES: LiteralString = """
    select coalesce(sum(pg_indexes_size(c.oid)) filter (where nspname = 'redletter'), 0)::bigint,
        coalesce(sum(pg_indexes_size(c.oid)) filter (where nspname = 'projections'), 0)::bigint,
        pg_database_size(current_database())
    from pg_class as c join pg_namespace as n on n.oid = c.relnamespace where c.relkind = 'r'
"""
COLUMNS = (
    "events",
    "published/s",
    "visible/s",
    "CPU us",
    "visible p50 ms",
    "visible p99 ms",
    "log indexes MB",
    "read indexes MB",
    "database MB",
)

console = Console()


@dataclass(frozen=True, slots=True)
class AtSize:
    """What was measured with so many events in the store. latency: seconds from sent to visible of each command."""

    events: int
    measured: Measurement
    latency: Sequence[float]
    log_index_bytes: int
    read_index_bytes: int
    database_bytes: int

    def row(self) -> Sequence[str]:
        """Return its row of the table."""
        sizes = (self.log_index_bytes, self.read_index_bytes, self.database_bytes)
        return (
            f"{self.events:,}",
            f"{self.measured.published:,.0f}",
            f"{self.measured.visible or 0:,.0f}",
            f"{sum(self.measured.cpu_us.values()):,.0f}",
            *(milliseconds([percentile(self.latency, share)]) for share in (50, 99)),
            *(f"{size / 1e6:,.0f}" for size in sizes),
        )


async def measure_sizes(servers: Servers, folder: Path, sizes: Sequence[int], commands: int) -> Sequence[AtSize]:
    """Measure at each size, from small to large. commands: of one measurement."""
    invoices = commands // len(STEPS)
    measured: list[AtSize] = []
    async with system(servers.addresses) as own:
        await asyncio.to_thread(schema.ensure_read_tables, own.database)
        with running(command_lines("visible", own, folder), own, folder) as processes:
            async with stopwatch(own, processes, servers.pids, read_side=True) as clock:
                await clock.run(waves(range(FIRST, FIRST + ORIGINALS.invoices)), [])
        copies = 0
        for size in sorted(sizes):
            before, copies = copies, max(copies, size // (ORIGINALS.invoices * len(STEPS)) - 1)
            terminal.print_line(f"filling the store up to {size:,} events and command ids")
            await asyncio.to_thread(_fill, own, range(before, copies))
            first = NEW + len(measured) * (invoices + WARMING + RATE * SECONDS)
            with console.status(f"measuring at {size:,} events"):
                measured.append(await _measure(own, servers, folder, size, range(first, first + invoices)))
            terminal.print_line(
                ", ".join(f"{name} {cell}" for name, cell in zip(COLUMNS, measured[-1].row(), strict=True))
            )
    return measured


def _fill(own: Addresses, copies: range) -> None:
    if copies:
        multiply_log(own.database, ORIGINALS, copies)
        multiply_read_tables(own.database, ORIGINALS, copies)


async def _measure(own: Addresses, servers: Servers, folder: Path, size: int, timed: range) -> AtSize:
    warming = range(timed.stop, timed.stop + WARMING)
    paced = range(warming.stop, warming.stop + RATE * SECONDS)
    with running(command_lines("visible", own, folder), own, folder) as processes:
        async with stopwatch(own, processes, servers.pids, read_side=True) as clock:
            measured = await clock.run(waves(warming), waves(timed))
        latency, _ = await redletter(own, Load(next(waves(paced)), RATE))
    with psycopg.connect(own.database) as connection:
        log_indexes, read_indexes, database = connection.execute(_BYTES).fetchone() or (0, 0, 0)
    return AtSize(size, measured, latency, log_indexes, read_indexes, database)


def compared(measured: Sequence[AtSize]) -> Iterable[str]:
    """Say how the largest size compares with the smallest."""
    first, last = measured[0], measured[-1]
    if first is not last and first.measured.visible and last.measured.visible:
        share = last.measured.visible / first.measured.visible
        yield f"{share:.2f} of the commands/s at {last.events:,} events, beside {first.events:,} (wanted 0.9 or more)"

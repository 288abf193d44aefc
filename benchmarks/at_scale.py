"""Measure what takes long: a store that grows, rebuilds, an invoice with very many events, several workers.

- sizes: the whole system after so many events, as many command ids remembered: commands/s, latency, sizes of indexes
- rebuilds: the status model from as many events on the topic
- ids: the same commands, before and after very many command ids are remembered, and nothing else is
- hot: commands for others alone, and among commands for an invoice with very many events
- workers: several workers and relays, which share the cores of this machine

The store is filled by SQL from rows that the program wrote. Runs on embedded servers of its own, below the folder for
temporary files, or on those that REDLETTER_KAFKA_BOOTSTRAP_SERVERS and REDLETTER_DATABASE_URL name.
"""

import asyncio
import shutil
import sys
import tempfile
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from benchmarks import growing
from benchmarks.command_line import described_parser, positive_number, positive_numbers, run_program, some_of
from benchmarks.fresh_servers import Servers, servers
from benchmarks.hot_invoice import measure_hot_invoice
from benchmarks.rebuilds import measure_rebuilds
from benchmarks.remembered_ids import measure_remembered_ids
from benchmarks.several_workers import measure_workers
from local import terminal
from redletter import logs

SECTIONS = ("sizes", "rebuilds", "ids", "hot", "workers")
SIZES = (100_000, 1_000_000, 10_000_000)
COMMANDS = 24_000
IDS = 10_000_000
HOT_EVENTS = 100_000
WORKERS = (1, 2, 4)
DISK_BYTES_AN_EVENT = 6_000
"""With its reply, its claims and its rows in the read tables, all with indexes, and the write-ahead log of filling."""
DISK_BYTES_AN_ID = 2_000
"""With its reply and its indexes, and the write-ahead log of filling."""


async def measure(servers: Servers, folder: Path, given: Namespace) -> None:
    """Measure what was asked for, and print a table of each section as it is done."""
    if "sizes" in given.sections:
        sizes = await growing.measure_sizes(servers, folder, given.sizes, given.commands)
        terminal.print_table(growing.COLUMNS, [one.row() for one in sizes])
        for line in growing.compared(sizes):
            terminal.print_line(line)
    if "rebuilds" in given.sections:
        await _measure_rebuilds(servers, given.sizes)
    if "ids" in given.sections:
        rows = await measure_remembered_ids(servers, folder, given.ids, given.commands)
        terminal.print_table(("command ids remembered", "commands/s"), rows)
    if "hot" in given.sections:
        rows = await measure_hot_invoice(servers, folder, given.hot_events, given.commands // 3)
        terminal.print_table(("commands for others", "commands/s"), rows)
    if "workers" in given.sections:
        rows = await measure_workers(servers, folder, given.workers, given.commands)
        terminal.print_table(("workers and relays", "published/s", "CPU us"), rows)


async def _measure_rebuilds(servers: Servers, sizes: Sequence[int]) -> None:
    rates = {size: (await measure_rebuilds(servers, size, 1, ["redletter"]))["redletter"][0].rate for size in sizes}
    terminal.print_table(("events", "rebuilt/s"), [(f"{size:,}", f"{rate:,.0f}") for size, rate in rates.items()])


def main() -> None:
    """Measure and print. Exits when there is not enough disk."""
    given = _arguments()
    _check_disk(_needed(given))
    logs.configure("critical")
    terminal.print_line("starting the servers")
    with tempfile.TemporaryDirectory(prefix="redletter-bench-logs-") as folder, servers() as found:
        asyncio.run(measure(found, Path(folder), given))


def _needed(given: Namespace) -> int:
    """Return the bytes of the largest store that will be filled."""
    events = max(given.sizes) * DISK_BYTES_AN_EVENT if {"sizes", "rebuilds"} & set(given.sections) else 0
    return max(events, given.ids * DISK_BYTES_AN_ID if "ids" in given.sections else 0)


def _check_disk(needed: int) -> None:
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    if needed > free:
        sys.exit(
            f"this needs {needed / 1e9:.1f} GB in {folder}, and {free / 1e9:.1f} GB are free: "
            "choose smaller --sizes or --ids, or another folder with TMPDIR"
        )


def _arguments() -> Namespace:
    parser = described_parser("long", __doc__)
    parser.add_argument(
        "--sections",
        type=some_of(SECTIONS),
        default=SECTIONS,
        help=f"with commas between; {','.join(SECTIONS)} by default",
    )
    parser.add_argument("--sizes", type=positive_numbers, default=SIZES, help="in events, with commas between")
    parser.add_argument("--commands", type=positive_number, default=COMMANDS, help="of one run; %(default)s by default")
    parser.add_argument("--ids", type=positive_number, default=IDS, help="%(default)s by default")
    parser.add_argument("--hot-events", type=positive_number, default=HOT_EVENTS, help="%(default)s by default")
    parser.add_argument("--workers", type=positive_numbers, default=WORKERS, help="how many, with commas between")
    return parser.parse_args()


if __name__ == "__main__":
    run_program(main)

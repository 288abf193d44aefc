"""Measure what takes long: a store that grows, rebuilds, an invoice with very many events, several workers.

- sizes: the whole system after so many events, as many command ids remembered: commands/s, latency, sizes of indexes
- rebuilds: the status model from as many events on the topic
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
from benchmarks.several_workers import measure_workers
from local import terminal
from redletter import logs

SECTIONS = ("sizes", "rebuilds", "hot", "workers")
SIZES = (100_000, 1_000_000, 10_000_000)
COMMANDS = 24_000
HOT_EVENTS = 100_000
WORKERS = (1, 2, 4)
DISK_BYTES_AN_EVENT = 6_000
"""With its reply, its claims and its rows in the read tables, all with indexes, and the write-ahead log of filling."""


async def measure(servers: Servers, folder: Path, given: Namespace) -> None:
    """Measure what was asked for, and print a table of each section as it is done."""
    if "sizes" in given.sections:
        sizes = await growing.measure_sizes(servers, folder, given.sizes, given.commands)
        terminal.print_table(growing.COLUMNS, [one.row() for one in sizes])
        for line in growing.compared(sizes):
            terminal.print_line(line)
    if "rebuilds" in given.sections:
        await _measure_rebuilds(servers, given.sizes)
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
    _check_disk(max(given.sizes))
    logs.configure("critical")
    terminal.print_line("starting the servers")
    with tempfile.TemporaryDirectory(prefix="redletter-bench-logs-") as folder, servers() as found:
        asyncio.run(measure(found, Path(folder), given))


def _check_disk(events: int) -> None:
    folder = tempfile.gettempdir()
    needed, free = events * DISK_BYTES_AN_EVENT / 1e9, shutil.disk_usage(folder).free / 1e9
    if needed > free:
        sys.exit(
            f"{events:,} events need {needed:.1f} GB in {folder}, and {free:.1f} GB are free: "
            "choose smaller --sizes, or another folder with TMPDIR"
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
    parser.add_argument("--hot-events", type=positive_number, default=HOT_EVENTS, help="%(default)s by default")
    parser.add_argument("--workers", type=positive_numbers, default=WORKERS, help="how many, with commas between")
    return parser.parse_args()


if __name__ == "__main__":
    run_program(main)

"""Measure how long a command takes to be visible, beside the bare round trip at the same rate.

All roles run as in earnest. Commands that register invoices are published at a steady rate, through redletter and
through the bare round trip in turns; `benchmarks.round_trips` says what these are.
"""

import asyncio
import itertools
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from rich.console import Console

from benchmarks import programs
from benchmarks.command_line import described_parser, positive_number, positive_numbers, run_program
from benchmarks.fresh_servers import servers, system
from benchmarks.round_trips import Load, bare, redletter
from benchmarks.summary import milliseconds, percentile
from benchmarks.workload import waves
from local import terminal
from projections import schema
from redletter import logs
from redletter.roles import role_command
from transport.addresses import Addresses
from transport.records import OutgoingRecord

RATES = (200, 1000)
"""Commands a second."""
RUNS = 3
SECONDS = 8
"""Length of one run."""
WARMING = 200
"""Commands before, which are not counted."""
ROLES = (*programs.READ_SIDE, *programs.WRITE_SIDE)
TRIPS = ("bare round trip", "sent to visible", "accepted to visible")

Runs = Mapping[str, list[Sequence[float]]]
"""The seconds that each command took in each run, by trip."""

console = Console()


async def measure(
    servers: Addresses, folder: Path, rates: Sequence[int], runs: int, seconds: int
) -> Mapping[int, Runs]:
    """Run both in turns, rate by rate."""
    fresh = itertools.count(0)
    async with system(servers) as own:
        await asyncio.to_thread(schema.ensure_read_tables, own.database)
        with programs.running({role: role_command(role) for role in ROLES}, own, folder):
            warming = Load(_registrations(fresh, WARMING), min(rates))
            await redletter(own, warming)
            await bare(own, warming)
            return {rate: await _at_rate(own, folder, fresh, rate, runs, seconds) for rate in rates}


async def _at_rate(  # noqa: PLR0913 - what is measured, on what, and how
    own: Addresses, folder: Path, fresh: Iterator[int], rate: int, runs: int, seconds: int
) -> Runs:
    measured: Runs = {trip: [] for trip in TRIPS}
    for number in range(1, runs + 1):
        load = Load(_registrations(fresh, rate * seconds), rate)
        with console.status(f"run {number} of {runs} at {rate:,} commands a second"):
            of_bare, before = await bare(own, load), _bytes_logged(folder)
            trips = (of_bare, *await redletter(own, load))
            logged = (_bytes_logged(folder) - before) / seconds
        for trip, taken in zip(TRIPS, trips, strict=True):
            measured[trip].append(taken)
        terminal.print_line(
            f"run {number} of {runs} at {rate:,} commands/s: {_line_of(trips)}; logs {logged / 1000:.1f} kB/s"
        )
    return measured


def _bytes_logged(folder: Path) -> int:
    """Return how many bytes all roles have logged."""
    return sum(file.stat().st_size for file in folder.glob("*.log"))


def _line_of(trips: Iterable[Sequence[float]]) -> str:
    figures = (
        f"{trip} p50 {_ms(taken, 50)}, p99 {_ms(taken, 99)} ms" for trip, taken in zip(TRIPS, trips, strict=True)
    )
    return "; ".join(figures)


def _ms(taken: Sequence[float], share: float) -> str:
    return milliseconds([percentile(taken, share)])


def _registrations(fresh: Iterator[int], count: int) -> Sequence[OutgoingRecord]:
    """Return commands for invoices that have not been registered yet."""
    first = next(fresh)
    *_, last = itertools.islice(fresh, count - 1)
    return next(waves(range(first, last + 1)))


COLUMNS = ("commands/s", "trip", "p50 ms", "p99 ms", "times bare, p50", "times bare, p99")


def rows(rates: Mapping[int, Runs]) -> Iterable[Sequence[str]]:
    """Return the rows of the table: medians of the runs, with the lowest and the highest."""
    for rate, runs in rates.items():
        least = [_median(runs[TRIPS[0]], share) for share in (50, 99)]
        for trip, of_one in runs.items():
            shown = (milliseconds(percentile(run, share) for run in of_one) for share in (50, 99))
            times = (f"{_median(of_one, share) / bare:.1f}" for share, bare in zip((50, 99), least, strict=True))
            yield f"{rate:,}", trip, *shown, *times


def _median(runs: Sequence[Sequence[float]], share: float) -> float:
    return median(percentile(run, share) for run in runs)


def main() -> None:
    """Measure and print."""
    given = _arguments()
    logs.configure("critical")
    with TemporaryDirectory(prefix="redletter-bench-logs-") as folder, servers() as (addresses, _):
        measured = asyncio.run(measure(addresses, Path(folder), given.rates, given.runs, given.seconds))
    terminal.print_table(COLUMNS, rows(measured))


def _arguments() -> Namespace:
    parser = described_parser("visibility", __doc__)
    parser.add_argument(
        "--rates",
        type=positive_numbers,
        default=RATES,
        help="commands a second, with commas between; 200,1000 by default",
    )
    parser.add_argument("--runs", type=positive_number, default=RUNS, help="runs at each rate; %(default)s by default")
    parser.add_argument("--seconds", type=positive_number, default=SECONDS, help="of one run; %(default)s by default")
    return parser.parse_args()


if __name__ == "__main__":
    run_program(main)

"""Measure commands per second, and CPU by process, of programs that do the same commands, in turns.

Runs on embedded servers of its own, or on those that REDLETTER_KAFKA_BOOTSTRAP_SERVERS and REDLETTER_DATABASE_URL
name: Redletter's topics on that Kafka are deleted, and the CPU of the servers is not known. `benchmarks.stopwatch`
says what is timed. The figures of the whole system are also written to a file.
"""

import asyncio
import json
import signal
import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from benchmarks import recording
from benchmarks.command_line import add_output, described_parser, positive_number, run_program, some_of
from benchmarks.fresh_servers import Servers, servers, system
from benchmarks.programs import command_lines, recording_file, running
from benchmarks.stopwatch import Measurement, stopwatch
from benchmarks.summary import COLUMNS, PROGRAMS, line_of, rows, verdicts, whole_figures
from benchmarks.workload import STEPS, waves
from local import terminal
from projections import schema
from redletter import logs

DEFAULT_PROGRAMS = "naive,redletter,visible,raw"
COMMANDS = 24_000
RUNS = 3
FEWER_FOR_NAIVE = 16
"""How many times fewer commands the documented service gets, for about as long a run."""
WARMING = 100
"""Invoices before the clock starts; each is three commands."""

console = Console()


async def measure(program: str, servers: Servers, folder: Path, commands: int, *, record: bool = False) -> Measurement:
    """Measure one program once, on a fresh system. folder: for its files. record: what it writes, for the raw pipe."""
    timed = range(max(1, commands // len(STEPS)))
    warming = range(timed.stop, timed.stop + WARMING)
    async with system(servers.addresses) as own:
        await asyncio.to_thread(schema.ensure_read_tables, own.database)
        with running(command_lines(program, own, folder), own, folder) as processes:
            async with stopwatch(own, processes, servers.pids, read_side=program == "visible") as clock:
                measured = await clock.run(waves(warming), waves(timed))
        if record:
            recording.keep(recording.record(own.database, clock.watch.published), recording_file(folder))
    return measured


async def measure_in_turns(
    programs: Sequence[str], servers: Servers, folder: Path, commands: int, runs: int
) -> Mapping[str, Sequence[Measurement]]:
    """Run the programs in turns."""
    measured: dict[str, list[Measurement]] = {program: [] for program in programs}
    for number in range(1, runs + 1):
        for program in programs:
            of_one = commands // FEWER_FOR_NAIVE if program == "naive" else commands
            record = (program, number, "raw" in programs) == ("redletter", 1, True)
            with console.status(f"run {number} of {runs}: {program}, {of_one:,} commands"):
                measured[program].append(await measure(program, servers, folder, of_one, record=record))
            terminal.print_line(f"run {number} of {runs}: {line_of(program, measured[program][-1])}")
    return measured


def _end(*_: object) -> None:
    sys.exit(1)


def main() -> None:
    """Measure, print, and write the figures down."""
    given = _arguments()
    logs.configure("critical")  # clients of topics that were just created warn, and try again
    signal.signal(signal.SIGTERM, _end)
    with TemporaryDirectory(prefix="redletter-bench-logs-") as folder:
        terminal.print_line("starting the servers")
        with servers() as found:
            runs = asyncio.run(measure_in_turns(given.programs, found, Path(folder), given.commands, given.runs))
    terminal.print_table(COLUMNS, rows(runs))
    terminal.print_line(
        "medians (lowest-highest); CPU microseconds a command; a program of one process is in the worker's column"
    )
    for verdict in verdicts(runs):
        terminal.print_line(verdict)
    if "visible" in runs:
        given.output.parent.mkdir(parents=True, exist_ok=True)
        given.output.write_text(json.dumps(whole_figures(runs["visible"])))


def _arguments() -> Namespace:
    parser = described_parser("whole", __doc__)
    parser.add_argument(
        "--programs",
        type=_programs,
        default=DEFAULT_PROGRAMS,
        metavar="NAME,..",
        help=f"what to measure, of {', '.join(PROGRAMS)}; {DEFAULT_PROGRAMS} by default. "
        "visible is redletter with all roles, until every read model has it; raw writes what a run of redletter wrote",
    )
    parser.add_argument(
        "--commands",
        type=positive_number,
        default=COMMANDS,
        help=f"commands of one run, %(default)s by default; {FEWER_FOR_NAIVE} times fewer for naive",
    )
    parser.add_argument("--runs", type=positive_number, default=RUNS, help="of each program; %(default)s by default")
    add_output(parser, "whole.json")
    return parser.parse_args()


def _programs(given: str) -> Sequence[str]:
    names = some_of(PROGRAMS)(given)
    if "raw" in names and "redletter" not in names:
        raise ArgumentTypeError("raw writes what a run of redletter wrote: name redletter, too")
    return names


if __name__ == "__main__":
    run_program(main)

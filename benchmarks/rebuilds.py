"""Measure a rebuild of the status model in events per second, and its CPU: the library's runner, redletter, a raw pipe.

The runner gets fewer events, for about as long a run. Runs in turns on embedded servers of its own, or on those that
the environment names. The figures are also written to a file.
"""

import asyncio
import json
import time
from argparse import Namespace
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import psycopg
from aiokafka import AIOKafkaConsumer, TopicPartition
from rich.console import Console

from benchmarks import library_runner
from benchmarks.command_line import add_output, described_parser, positive_number, run_program
from benchmarks.cpu import own_cpu_seconds
from benchmarks.event_load import EVENTS_OF_ONE, mixed, publish, story
from benchmarks.fresh_servers import PARTITIONS, Servers, servers, system
from benchmarks.raw_load import load_raw
from benchmarks.summary import median_and_range
from events.topics import EVENTS_TOPIC
from local import terminal
from projections import schema
from projections.catalogue import MODELS
from projections.rebuild.rebuilding import ProgressReport, rebuild
from redletter import logs
from transport.addresses import Addresses

RUNS = 3
EVENTS = 300_000
FEWER_FOR_RUNNER = 200
"""How many times fewer events the library's runner gets."""
PROGRAMS = {"runner": "the library's runner", "redletter": "redletter", "raw": "raw pipe"}
TIMES_RUNNER, OF_RAW = 30.0, 0.4
"""What is wanted of redletter's median: over the runner's, and over the raw pipe's."""

console = Console()


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """One run: events a second, and microseconds of CPU an event of this program and of the servers."""

    rate: float
    cpu_us: Mapping[str, float]


async def measure_rebuilds(
    servers: Servers, events: int, runs: int, programs: Collection[str] = PROGRAMS
) -> Mapping[str, Sequence[Rebuilt]]:
    """Run the programs in turns, over the same topic."""
    measured: dict[str, list[Rebuilt]] = {program: [] for program in programs}
    async with system(servers.addresses) as own:
        await asyncio.to_thread(schema.ensure_read_tables, own.database)
        with console.status(f"publishing {events:,} events"):
            await publish(own.kafka, mixed(events // EVENTS_OF_ONE))
        await asyncio.to_thread(_stand_at_the_end, own)
        for number in range(1, runs + 1):
            for program in programs:
                with console.status(f"run {number} of {runs}: {program}"):
                    measured[program].append(await _run(program, own, servers.pids, events, number))
                terminal.print_line(f"run {number} of {runs}: {_line_of(program, measured[program][-1])}")
    return measured


async def _run(program: str, own: Addresses, pids: Mapping[str, int], events: int, number: int) -> Rebuilt:
    if program == "runner":
        events = max(EVENTS_OF_ONE, events // FEWER_FOR_RUNNER)
        first = number * 1_000_000  # each run has invoices of its own
        few = [one for index in range(events // EVENTS_OF_ONE) for one in story(first + index)]
        await asyncio.to_thread(library_runner.store, own.database, few)
    before, began = own_cpu_seconds(pids), time.monotonic()
    match program:
        case "runner":
            await asyncio.to_thread(library_runner.project, own.database)
        case "redletter":
            await rebuild(own, MODELS["status"], ProgressReport(_quietly, lambda _: None), grace=0)
        case _:
            await load_raw(own, events)
    seconds, after = time.monotonic() - began, own_cpu_seconds(pids)
    return Rebuilt(events / seconds, {name: (after[name] - before[name]) / events * 1e6 for name in after})


def _quietly(_done: int, _total: int) -> None:
    """Show nothing: drawing takes time too."""


def _stand_at_the_end(own: Addresses) -> None:
    """Let the live model stand behind the last event, so that a rebuild has all of them to go through."""
    ends = asyncio.run(_ends(own.kafka))
    with psycopg.connect(own.database) as connection, connection.cursor() as cur:
        cur.executemany(
            "insert into redletter.positions (consumer, topic, partition, next) values (%s, %s, %s, %s)",
            [(MODELS["status"].consumer, EVENTS_TOPIC, one.partition, end) for one, end in ends.items()],
        )
        cur.execute("update projections.built set code = 'none yet'")


async def _ends(bootstrap: str) -> dict[TopicPartition, int]:
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        return await consumer.end_offsets([TopicPartition(EVENTS_TOPIC, partition) for partition in range(PARTITIONS)])


def _line_of(program: str, run: Rebuilt) -> str:
    cpu = ", ".join(f"{name} {us:.0f}" for name, us in run.cpu_us.items())
    return f"{program:<10}{run.rate:>9,.0f} events/s; CPU us an event: {cpu}, sum {sum(run.cpu_us.values()):.0f}"


def rows(runs: Mapping[str, Sequence[Rebuilt]]) -> Iterable[Sequence[str]]:
    """Return the rows of the table: medians of the runs, with the lowest and the highest."""
    for program, of_one in runs.items():
        cpu = (f"{median(run.cpu_us[name] for run in of_one):,.0f}" for name in of_one[0].cpu_us)
        total = median_and_range(sum(run.cpu_us.values()) for run in of_one)
        yield PROGRAMS[program], median_and_range(run.rate for run in of_one), *cpu, total


def main() -> None:
    """Measure, print, and write the figures down."""
    given = _arguments()
    logs.configure("critical")
    terminal.print_line("starting the servers")
    with servers() as found:
        runs = asyncio.run(measure_rebuilds(found, given.events, given.runs))
    processes = runs["redletter"][0].cpu_us
    terminal.print_table(("program", "events/s", *(f"{name} us" for name in processes), "sum us"), rows(runs))
    rates = {program: [run.rate for run in of_one] for program, of_one in runs.items()}
    times, share = (median(rates["redletter"]) / median(rates[program]) for program in ("runner", "raw"))
    terminal.print_line(f"{times:.1f} times the library's runner (wanted {TIMES_RUNNER:.0f} or more)")
    terminal.print_line(f"{share:.2f} of the raw pipe (wanted {OF_RAW} or more)")
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps(rates))


def _arguments() -> Namespace:
    parser = described_parser("projections", __doc__)
    parser.add_argument("--events", type=positive_number, default=EVENTS, help="on the topic; %(default)s by default")
    parser.add_argument("--runs", type=positive_number, default=RUNS, help="of each program; %(default)s by default")
    add_output(parser, "projections.json")
    return parser.parse_args()


if __name__ == "__main__":
    run_program(main)

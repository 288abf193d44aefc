"""Measure commands per second of (a) the documented service, (b) redletter, (c) the raw pipe, in turns.

    python -m benchmarks.commands

Runs on embedded servers of its own, or on those that REDLETTER_KAFKA_BOOTSTRAP_SERVERS and REDLETTER_DATABASE_URL
name: Redletter's topics on that Kafka are deleted. `benchmarks.stopwatch` says what is timed. The figures are also
written to benchmarks/out/commands.json.
"""

import asyncio
import json
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from benchmarks import programs, recording, stopwatch
from benchmarks.fresh_servers import servers, system
from benchmarks.summary import table, verdict
from benchmarks.workload import STEPS, waves
from redletter import logs
from transport.addresses import Addresses

ROUNDS = 3
INVOICES = {"naive": 500, "redletter": 8000, "raw": 8000}
"""Invoices of one run; each is three commands. The slow program gets fewer, for about as long a run."""
WARMING = 100
"""Invoices before the clock starts."""
OUT = Path(__file__).parent / "out" / "commands.json"

console = Console()


async def run(name: str, servers: Addresses, folder: Path) -> float:
    """Measure one program once, on a fresh system. Return commands per second."""
    recorded = folder / "recording"
    lines: Mapping[str, Sequence[str]] = {
        "naive": programs.naive(),
        "redletter": programs.redletter(),
        "raw": programs.raw(recorded),
    }[name]
    timed = range(INVOICES[name])
    async with system(servers) as own:
        with programs.running(lines, own, folder) as processes:
            warming = waves(range(timed.stop, timed.stop + WARMING))
            rate, published = await stopwatch.measure(own.kafka, processes, warming, waves(timed))
        if name == "redletter" and not recorded.exists():
            recording.keep(recording.record(own.database, published), recorded)
    return rate


async def measure(servers: Addresses, folder: Path) -> dict[str, list[float]]:
    """Run all programs in turns."""
    runs: dict[str, list[float]] = {name: [] for name in INVOICES}
    for number in range(1, ROUNDS + 1):
        for name, invoices in INVOICES.items():
            with console.status(f"round {number} of {ROUNDS}: {name}, {invoices * len(STEPS):,} commands"):
                runs[name].append(await run(name, servers, folder))
            console.print(f"round {number} of {ROUNDS}: {name:<10}{runs[name][-1]:>9,.0f} commands/s")
    return runs


def _end(*_: object) -> None:
    sys.exit(1)


def main() -> None:
    """Measure, print, and write the figures down."""
    logs.configure("critical")  # topics that have just been laid are a commotion to the clients, which try again
    signal.signal(signal.SIGTERM, _end)
    with TemporaryDirectory(prefix="redletter-bench-logs-") as folder:
        console.print("starting the servers")
        with servers() as addresses:
            runs = asyncio.run(measure(addresses, Path(folder)))
    console.print(table(runs))
    console.print(verdict(runs))
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(runs))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("stopped; nothing was written down")

"""Measure every query of the api at a million invoices: p50 and p99, CPU, and which indexes answered it.

A hundred invoices come through Kafka and the projector as ever; their rows are then multiplied in place. Each query
goes over HTTP, for another invoice each time; figures are the medians of the runs, with the lowest and the highest.
A session reports to the server's statistics only when it ends, so after each query they show the indexes it used;
that a large table was read from end to end is an error.
"""

import asyncio
import os
import random
import time
from argparse import Namespace
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import LiteralString, NamedTuple

import httpx
import psycopg
from rich.console import Console

from benchmarks import programs
from benchmarks.command_line import described_parser, positive_number, run_program
from benchmarks.cpu import cpu_seconds
from benchmarks.filled_read_tables import ISSUED_ON, MODELS, RETURNED, fill_read_tables
from benchmarks.fresh_servers import Servers, servers, system
from benchmarks.multiplied import DAYS, copied_number
from benchmarks.summary import milliseconds, percentile
from local import ports, terminal
from redletter import logs
from redletter.roles import role_command
from transport.addresses import Addresses
from web.http import cursors

INVOICES = 1_000_000
RUNS = 3
TIMES = 200
ASKED_FOR = 3.0
"""Seconds."""
LARGE = 5000
"""Rows of a table from which reading all of them is an error."""

console = Console()


class Copies(int):
    """How many invoices were made of each, and parameters of queries for them, at random."""

    def number(self) -> str:
        """Return the number of an invoice."""
        return copied_number(self._copy(), random.randrange(MODELS), MODELS)  # noqa: S311 - any will do

    def returned(self) -> str:
        """Return the number of an invoice that was returned."""
        return copied_number(self._copy(), random.randrange(RETURNED), MODELS)  # noqa: S311 - any will do

    def deep(self) -> str:
        """Return a cursor somewhere in a list."""
        day = date.fromisoformat(ISSUED_ON) - timedelta(days=random.randrange(DAYS))  # noqa: S311 - any will do
        return cursors.write((day, self.number()))

    def _copy(self) -> int:
        return random.randrange(self)  # noqa: S311 - any will do


def _account(of: int = MODELS) -> str:
    return f"account-{random.randrange(of)}"  # noqa: S311 - any will do


QUERIES: Mapping[str, Callable[[Copies], str]] = {
    "status": lambda of: f"/invoices/{of.number()}/status",
    "status as of": lambda of: f"/invoices/{of.number()}/status?as_of=2026-02-13T03:00:00Z",
    "details": lambda of: f"/invoices/{of.number()}",
    "history": lambda of: f"/invoices/{of.number()}/history",
    "list, first page": lambda _: "/invoices",
    "list, somewhere": lambda of: f"/invoices?cursor={of.deep()}",
    "list of an account": lambda of: f"/invoices?account_id={_account()}&cursor={of.deep()}",
    "list of a status": lambda of: f"/invoices?status=returned&cursor={of.deep()}",
    "list of both": lambda _: f"/invoices?account_id={_account(RETURNED)}&status=returned",
    "list, what is refused": lambda _: "/invoices?attention=refused",
    "list, what is near due": lambda _: "/invoices?attention=near_due",
    "list of type and posting": lambda _: "/invoices?kind=special&posting_status=recorded",
    "list by amount": lambda _: "/invoices?sort=-total_amount",
    "list by due date": lambda _: "/invoices?sort=due_latest",
    "list in progress by amount": lambda _: "/invoices?status=return_in_progress&sort=-total_amount",
    "search, amounts in progress": lambda _: "/invoices?status=return_in_progress&amount_from=100&amount_to=200",
    "search, amounts of a type": lambda _: "/invoices?kind=general&amount_from=100&amount_to=200",
    "search, amounts": lambda _: "/invoices?amount_from=100&amount_to=200",
    "search, buyer": lambda _: "/invoices?buyer=example",
    "search, buyer of account": lambda _: f"/invoices?buyer=example&account_id={_account()}",
    "search, whole": lambda of: f"/invoices?q={of.number()}",
    "search, last four": lambda of: f"/invoices?q={of.number()[-4:]}",
    "search, first four": lambda _: "/invoices?q=2600",
    "charges of an account": lambda _: f"/charges?account_id={_account()}",
    "charges, released": lambda _: "/charges?state=released",
    "red-font form": lambda of: f"/red-font-forms/33{of.returned()[2:]}",
    "operations": lambda _: "/operations",
}
_END_SESSIONS: LiteralString = """
    select pg_terminate_backend(pid, 5000) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
"""
_INDEXES: LiteralString = """
    select s.indexrelname, s.idx_scan from pg_stat_user_indexes as s join pg_class as c on c.oid = s.relid
    where s.schemaname = 'projections' and c.reltuples > %s
"""
_READ_THROUGH: LiteralString = """
    select s.relname, s.seq_scan from pg_stat_user_tables as s join pg_class as c on c.oid = s.relid
    where s.schemaname = 'projections' and c.reltuples > %s
"""
Row = Sequence[str]
"""A query, its p50 and p99, microseconds of CPU of each process, and the indexes that answered it."""


class Asking(NamedTuple):
    """What is asked: paths by name. How often: runs, and times in each, unless that takes longer than `ASKED_FOR`."""

    paths: Mapping[str, Callable[[], str]]
    runs: int
    times: int


async def ask(own: Addresses, base: str, pids: Mapping[str, int], asking: Asking) -> AsyncGenerator[Row]:
    """Ask every query, one after the other. Raises: ReadThrough."""
    async with httpx.AsyncClient(base_url=base, transport=httpx.AsyncHTTPTransport(retries=8), timeout=30) as http:
        await http.get("/livez")
        for name, path in asking.paths.items():
            indexes, cpu = await asyncio.to_thread(_used, own), cpu_seconds(pids)
            with console.status(name):
                asked = [await _asked(http, path, asking) for _ in range(asking.runs)]
            cpu_after, indexes_after = cpu_seconds(pids), await asyncio.to_thread(_used, own)
            yield (
                name,
                milliseconds(percentile(run, 50) for run in asked),
                milliseconds(percentile(run, 99) for run in asked),
                *(f"{(cpu_after[one] - cpu[one]) / sum(map(len, asked)) * 1e6:,.0f}" for one in pids),
                ", ".join(sorted(index for index, scans in indexes_after.items() if scans > indexes[index])),
            )


class ReadThrough(Exception):
    """A query read a large table from end to end."""


async def _asked(http: httpx.AsyncClient, path: Callable[[], str], asking: Asking) -> Sequence[float]:
    end = time.monotonic() + ASKED_FOR
    seconds: list[float] = []
    while len(seconds) < asking.times and time.monotonic() < end:
        seconds.append(await _timed(http, path()))
    return seconds


async def _timed(http: httpx.AsyncClient, path: str) -> float:
    began = time.monotonic()
    answer = await http.get(path)
    answer.raise_for_status()
    return time.monotonic() - began


def _used(own: Addresses) -> dict[str, int]:
    """Return how often each index of a large table was used, by all sessions until now. Raises: ReadThrough."""
    with psycopg.connect(own.database, autocommit=True) as connection:
        connection.execute(_END_SESSIONS)
        read = dict(connection.execute(_READ_THROUGH, (LARGE,)).fetchall())
        if guilty := [table for table, scans in read.items() if scans > _BASE.setdefault(table, scans)]:
            msg = f"{', '.join(guilty)}: read from end to end"
            raise ReadThrough(msg)
        return dict(connection.execute(_INDEXES, (LARGE,)).fetchall())


_BASE: dict[str, int] = {}


async def measure(servers: Servers, folder: Path, copies: Copies, asking: Asking) -> None:
    """Fill the tables, ask, and print the figures."""
    async with system(servers.addresses) as own:
        terminal.print_line(f"filling the read tables with {copies * MODELS:,} invoices")
        await fill_read_tables(own, copies)
        (port,) = ports.free(1)
        os.environ["REDLETTER_API_PORT"] = str(port)
        with programs.running({"api": role_command("api")}, own, folder) as (api,):
            pids = {"api": api.running.pid} | {name: pid for name, pid in servers.pids.items() if name == "postgres"}
            rows = [row async for row in ask(own, f"http://127.0.0.1:{port}", pids, asking)]
    terminal.print_table(("query", "p50 ms", "p99 ms", *(f"{name} us" for name in pids), "indexes"), rows)


def main() -> None:
    """Measure and print."""
    given = _arguments()
    copies = Copies(max(1, given.invoices // MODELS))
    asking = Asking({name: partial(path, copies) for name, path in QUERIES.items()}, given.runs, given.times)
    logs.configure("critical")
    with TemporaryDirectory(prefix="redletter-bench-logs-") as folder, servers() as found:
        asyncio.run(measure(found, Path(folder), copies, asking))


def _arguments() -> Namespace:
    parser = described_parser("queries", __doc__)
    parser.add_argument("--invoices", type=positive_number, default=INVOICES, help="%(default)s by default")
    parser.add_argument("--runs", type=positive_number, default=RUNS, help="of each query; %(default)s by default")
    parser.add_argument("--times", type=positive_number, default=TIMES, help="in each run; %(default)s by default")
    return parser.parse_args()


if __name__ == "__main__":
    run_program(main)

"""Measure every query of the api at a million invoices: p50 and p99, and which indexes answered it.

    python -m benchmarks.queries

A hundred invoices come through Kafka and the projector as ever; their rows are then multiplied in place. Each query
goes over HTTP, for another invoice each time, in three runs: figures are the medians, with the lowest and the highest.
A session reports to the server's statistics only when it ends, so after each query they show the indexes it used;
that a large table was read from end to end is an error.
"""

import asyncio
import os
import random
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import LiteralString

import httpx
import psycopg
from psycopg.sql import SQL, Composed, Identifier, Literal
from rich.console import Console
from rich.table import Table

from benchmarks import programs
from benchmarks.command_line import run_program
from benchmarks.fresh_servers import servers, system
from benchmarks.stories import Stored, publish, story
from benchmarks.summary import milliseconds, percentile
from local import ports
from projections import projector, schema
from redletter import logs
from redletter.roles import role_command
from transport.addresses import Addresses
from web.http import cursors

MODELS = 100
"""Invoices that are multiplied."""
COPIES = 10_000
"""Invoices made of each."""
DAYS = 1000
"""Days over which the invoices were issued."""
RUNS = 3
ASKED = 200
"""Times that each query is asked in a run, unless that takes longer than `ASKED_FOR`."""
ASKED_FOR = 3.0
"""Seconds."""
LARGE = 5000
"""Rows of a table from which reading all of them is an error."""
FIRST = 900_000_000_000
"""The index of the first invoice; its twelve digits are in all that is its own, and stand for those of a copy."""
WITHIN = 60.0

console = Console()


def multiplied_events() -> Sequence[Stored]:
    """Return the events of the invoices that are multiplied: most are issued, one is being returned, four were."""
    lengths = [6] * 4 + [4] + [2] * (MODELS - 5)
    return [one for index, length in enumerate(lengths) for one in story(FIRST + index)[:length]]


@asynccontextmanager
async def _projected(own: Addresses) -> AsyncGenerator[None]:
    """Let the projector run until all its models have seen the last version of each invoice."""
    projecting = asyncio.create_task(projector.run(own))
    try:
        async with asyncio.timeout(WITHIN):
            while await asyncio.to_thread(_missing, own):
                await asyncio.sleep(0.2)
        yield
    finally:
        projecting.cancel()
        with suppress(asyncio.CancelledError):
            await projecting


_TABLES: LiteralString = """
    select table_name, array_agg(column_name::text), array_agg(data_type::text) from information_schema.columns
    join information_schema.tables using (table_schema, table_name)
    where table_schema = 'projections' and is_generated = 'NEVER' and table_name in
        (select table_name from information_schema.columns
         where table_schema = 'projections' and column_name = 'invoice_number')
    group by table_name
"""


def _missing(own: Addresses) -> bool:
    with psycopg.connect(own.database) as connection:
        counts = connection.execute(
            "select (select count(*) from projections.history), (select count(*) from projections.status), "
            "(select count(*) from projections.invoices), (select count(*) from projections.details), "
            "(select count(*) from projections.charges), (select count(*) from projections.forms), "
            "(select count(*) from projections.returns where complete_at is not null)"
        ).fetchone()
    return counts != (len(multiplied_events()), MODELS, MODELS, MODELS, MODELS, 5, 4)


async def fill(own: Addresses, copies: int) -> None:
    """Bring invoices into the read tables, ``copies`` times `MODELS` of them."""
    await asyncio.to_thread(schema.ensure_read_tables, own.database)
    await publish(own.kafka, multiplied_events())
    async with _projected(own):
        pass
    console.print(f"multiplying the rows by {copies:,}")
    await asyncio.to_thread(_multiply, own, copies)


def _multiply(own: Addresses, copies: int) -> None:
    """Copy the rows of every table, each copy with digits of its own in place of the invoice's."""
    with psycopg.connect(own.database, autocommit=True) as connection:
        for table, columns, types in connection.execute(_TABLES).fetchall():
            if table != "status_outbox":
                began = time.monotonic()
                connection.execute(_copied(table, dict(zip(columns, types, strict=True)), copies))
                console.print(f"  {table:<20}{time.monotonic() - began:>6.1f} s")
        connection.execute("vacuum analyze")


_DAY = SQL("(date '2026-02-01' - copy % {days})::text").format(days=Literal(DAYS))


def _copied(table: str, columns: Mapping[str, str], copies: int) -> Composed:
    own_digits = SQL("substr(invoice_number, 9)")
    digits = SQL("lpad((({} - {}) * {} + copy)::bigint::text, 12, '0')").format(
        SQL("{}::bigint").format(own_digits), Literal(FIRST), Literal(copies)
    )
    values = [
        SQL("replace(replace({}::text, {}, {}), '2026-02-01', {})::{}").format(
            Identifier(column), own_digits, digits, _DAY, SQL(kind)
        )
        if kind in ("text", "json", "date")
        else Identifier(column)
        for column, kind in columns.items()
    ]
    return SQL("insert into {} ({}) select {} from {}, generate_series(0, {}) as copy").format(
        Identifier("projections", table),
        SQL(", ").join(map(Identifier, columns)),
        SQL(", ").join(values),
        Identifier("projections", table),
        Literal(copies - 1),
    )


def _number() -> str:
    return f"26{random.randrange(MODELS * COPIES):018d}"  # noqa: S311 - any will do


def _returned() -> int:
    return random.randrange(4 * COPIES)  # noqa: S311 - any will do


def _account() -> str:
    return f"account-{random.randrange(MODELS)}"  # noqa: S311 - any will do


def _deep() -> str:
    day = date(2026, 2, 1) - timedelta(days=random.randrange(DAYS))  # noqa: S311 - any will do
    return cursors.write((day, _number()))


QUERIES: Mapping[str, Callable[[], str]] = {
    "status": lambda: f"/invoices/{_number()}/status",
    "status as of": lambda: f"/invoices/{_number()}/status?as_of=2026-02-13T03:00:00Z",
    "details": lambda: f"/invoices/{_number()}",
    "history": lambda: f"/invoices/{_number()}/history",
    "list, first page": lambda: "/invoices",
    "list, somewhere": lambda: f"/invoices?cursor={_deep()}",
    "list of an account": lambda: f"/invoices?account_id={_account()}&cursor={_deep()}",
    "list of a status": lambda: f"/invoices?status=returned&cursor={_deep()}",
    "list of both": lambda: f"/invoices?account_id=account-{_returned() % 4}&status=returned",
    "search, whole": lambda: f"/invoices?q={_number()}",
    "search, last four": lambda: f"/invoices?q={_number()[-4:]}",
    "search, first four": lambda: "/invoices?q=2600",
    "charges of an account": lambda: f"/charges?account_id={_account()}",
    "charges, released": lambda: "/charges?state=released",
    "red-font form": lambda: f"/red-font-forms/33{_returned():018d}",
    "operations": lambda: "/operations",
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
Row = tuple[str, str, str, str]
"""A query, its p50 and p99, and the indexes that answered it."""


async def ask(own: Addresses, base: str) -> AsyncGenerator[Row]:
    """Ask every query, one after the other. Raises: ReadThrough."""
    async with httpx.AsyncClient(base_url=base, transport=httpx.AsyncHTTPTransport(retries=8), timeout=30) as http:
        await http.get("/livez")
        for name, path in QUERIES.items():
            before = await asyncio.to_thread(_used, own)
            with console.status(name):
                runs = [await _asked(http, path) for _ in range(RUNS)]
            after = await asyncio.to_thread(_used, own)
            yield (
                name,
                milliseconds(percentile(run, 50) for run in runs),
                milliseconds(percentile(run, 99) for run in runs),
                ", ".join(sorted(index for index, scans in after.items() if scans > before[index])),
            )


class ReadThrough(Exception):
    """A query read a large table from end to end."""


async def _asked(http: httpx.AsyncClient, path: Callable[[], str]) -> Sequence[float]:
    end = time.monotonic() + ASKED_FOR
    seconds: list[float] = []
    while len(seconds) < ASKED and time.monotonic() < end:
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


async def measure(servers: Addresses, folder: Path) -> Table:
    """Fill the tables, ask, and return the figures."""
    shown = Table(
        title=f"queries over HTTP at {MODELS * COPIES:,} invoices, in ms: up to {ASKED} of each in a run, one at a time"
    )
    for column in ("query", "p50", "p99", "indexes"):
        shown.add_column(column, justify="right" if column.startswith("p") else "left")
    async with system(servers) as own:
        await fill(own, COPIES)
        (port,) = ports.free(1)
        os.environ["REDLETTER_API_PORT"] = str(port)
        with programs.running({"api": role_command("api")}, own, folder):
            async for row in ask(own, f"http://127.0.0.1:{port}"):
                shown.add_row(*row)
    return shown


def main() -> None:
    """Measure and print."""
    logs.configure("critical")
    with TemporaryDirectory(prefix="redletter-bench-logs-") as folder, servers() as (addresses, _):
        console.print(asyncio.run(measure(addresses, Path(folder))))


if __name__ == "__main__":
    run_program(main)

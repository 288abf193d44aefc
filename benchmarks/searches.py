"""Measure the list at a million invoices under each filter, in each order, and under each two filters.

Values differ from one request to the next: accounts, buyers, days and amounts that few invoices have, and that many
have. How a request is measured, and that none may read a table from end to end, is as in `benchmarks.queries`.
"""

import asyncio
import os
import random
from argparse import Namespace
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

from benchmarks import programs
from benchmarks.command_line import described_parser, positive_number, run_program
from benchmarks.fresh_servers import Servers, servers, system
from benchmarks.queries import Asking, ask
from benchmarks.varied_invoices import ACCOUNTS, BUYERS, DAYS, NEWEST, fill_list
from local import ports, terminal
from redletter import logs
from redletter.roles import role_command

INVOICES, RUNS, TIMES = 1_000_000, 1, 100
WANTED_MS = 50.0

Parameters = Mapping[str, object]
ORDERS = ("-issued_on", "issued_on", "-total_amount", "total_amount", "due_latest")


def _one_of(many: int) -> int:
    """Return a number below ``many``, the small ones more often: those are large accounts and buyers."""
    return int(random.random() ** 3 * many)  # noqa: S311 - any will do


def _days() -> Parameters:
    last = NEWEST - timedelta(days=random.randrange(DAYS))  # noqa: S311 - any will do
    first = last - timedelta(days=_one_of(DAYS))
    return {"issued_from": first, "issued_to": last}


def _amounts() -> Parameters:
    least = _one_of(8000)
    return {"amount_from": least, "amount_to": least + _one_of(2000)}


def _buyer() -> str:
    return f"{_one_of(BUYERS):05}"


def _number() -> str:
    return f"26{random.randrange(INVOICES):018}"  # noqa: S311 - any will do


FILTERS: Mapping[str, Callable[[], Parameters]] = {
    "account": lambda: {"account_id": f"account-{_one_of(ACCOUNTS)}"},
    "issued": lambda: {"status": "issued"},
    "in progress": lambda: {"status": "return_in_progress"},
    "returned": lambda: {"status": "returned"},
    "refused": lambda: {"attention": "refused"},
    "near due": lambda: {"attention": "near_due"},
    "type": lambda: {"kind": random.choice(["general", "special"])},  # noqa: S311 - any will do
    "posting": lambda: {"posting_status": random.choice(["unknown", "recorded", "not_recorded"])},  # noqa: S311 - the same
    "days": _days,
    "amounts": _amounts,
    "buyer": lambda: {"buyer": f"Buyer {_buyer()}"},
    "buyers": lambda: {"buyer": f"Buyer {_buyer()[:4]}"},
    "tax id": lambda: {"buyer": f"B{_buyer()}"},
    "last digits": lambda: {"q": _number()[-4:]},
    "first digits": lambda: {"q": "2600"},
}


def searches() -> Mapping[str, Callable[[], str]]:
    """Return what is asked for, by name: no filter and each alone, in each order; and each two, the newest first."""
    every = {"all": dict, **FILTERS}
    alone = {
        f"{name}, by {sort}": partial(_path, [parameters], sort)
        for name, parameters in every.items()
        for sort in ORDERS
    }
    pairs = {
        f"{first} + {second}": partial(_path, [FILTERS[first], FILTERS[second]], "-issued_on")
        for first, second in combinations(FILTERS, 2)
        if not FILTERS[first]().keys() & FILTERS[second]().keys()
    }
    return {**alone, **pairs}


def _path(filters: list[Callable[[], Parameters]], sort: str) -> str:
    parameters: dict[str, object] = {"sort": sort}
    for one in filters:
        parameters |= one()
    return f"/invoices?{urlencode(parameters)}"


async def measure(servers: Servers, folder: Path, invoices: int, asking: Asking) -> None:
    """Fill the tables, ask, and print the figures and what took too long."""
    async with system(servers.addresses) as own:
        terminal.print_line(f"filling the list with {invoices:,} invoices")
        await asyncio.to_thread(fill_list, own.database, invoices)
        (port,) = ports.free(1)
        os.environ["REDLETTER_API_PORT"] = str(port)
        with programs.running({"api": role_command("api")}, own, folder) as (api,):
            pids = {"api": api.running.pid} | {name: pid for name, pid in servers.pids.items() if name == "postgres"}
            rows = [row async for row in ask(own, f"http://127.0.0.1:{port}", pids, asking)]
    terminal.print_table(("search", "p50 ms", "p99 ms", *(f"{name} us" for name in pids), "indexes"), rows)
    late = [name for name, _, p99, *_ in rows if float(p99.partition(" ")[0].replace(",", "")) > WANTED_MS]
    terminal.print_line(f"{len(rows) - len(late)} of {len(rows)} within {WANTED_MS:.0f} ms at the 99th percentile")
    for name in late:
        terminal.print_line(f"later: {name}")


def main() -> None:
    """Measure and print."""
    given = _arguments()
    wanted = {name: path for name, path in searches().items() if given.only in name}
    logs.configure("critical")
    with TemporaryDirectory(prefix="redletter-bench-logs-") as folder, servers() as found:
        asyncio.run(measure(found, Path(folder), given.invoices, Asking(wanted, given.runs, given.times)))


def _arguments() -> Namespace:
    parser = described_parser("searches", __doc__)
    parser.add_argument("--invoices", type=positive_number, default=INVOICES, help="%(default)s by default")
    parser.add_argument("--runs", type=positive_number, default=RUNS, help="of each search; %(default)s by default")
    parser.add_argument("--times", type=positive_number, default=TIMES, help="in each run; %(default)s by default")
    parser.add_argument("--only", default="", help="searches with this in their name, such as amounts; all by default")
    return parser.parse_args()


if __name__ == "__main__":
    run_program(main)

"""Measure how long an accepted command takes to be visible, beside the bare round trip at the same pace.

    python -m benchmarks.visibility

All roles run as in earnest. Commands that register invoices are published at 200 a second. A command is accepted at the
time at which the broker took its reply, and visible when a look at the status table, every few milliseconds, finds it.
The bare round trip is the least there is: produce one record, consume it, commit one row. In turns, three runs each.
"""

import asyncio
import itertools
import sys
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, LiteralString

import psycopg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from rich.console import Console
from rich.table import Table

from benchmarks import programs
from benchmarks.fresh_servers import servers, system
from benchmarks.summary import milliseconds, percentile
from benchmarks.workload import waves
from events.topics import REPLIES_TOPIC, TAX_REQUESTS_TOPIC
from projections import schema
from redletter import logs
from redletter.roles import role_command
from transport.addresses import Addresses
from transport.records import OutgoingRecord

RUNS = 3
RATE = 200
"""Commands a second."""
COMMANDS = 2000
"""Commands of one run."""
WARMING = 200
"""Commands before, which are not counted."""
LOOK_EVERY = 0.002
"""Seconds between two looks at the table."""
WITHIN = 60.0
BARE = TAX_REQUESTS_TOPIC
"""The topic of the bare round trip: registrations lead to no tax requests, so nobody else is on it."""
ROLES = ("relay", "worker", "projector")

Times = Mapping[str, float]
"""Seconds since the epoch, by the key of a record."""

console = Console()


@asynccontextmanager
async def _clients(bootstrap: str, topic: str) -> AsyncGenerator[tuple[AIOKafkaProducer, AIOKafkaConsumer]]:
    """Connect a producer, and a consumer that stands at the end of a topic."""
    servers: Any = bootstrap.split(",")
    async with (
        AIOKafkaProducer(bootstrap_servers=servers, acks="all") as producer,
        AIOKafkaConsumer(topic, bootstrap_servers=servers, isolation_level="read_committed") as consumer,
    ):
        await consumer.seek_to_end()
        for partition in consumer.assignment():
            await consumer.position(partition)
        yield producer, consumer


async def _paced(messages: Iterable[OutgoingRecord], send: Callable[[OutgoingRecord], Awaitable[object]]) -> Times:
    """Send at the pace, and return when each was sent."""
    sent: dict[str, float] = {}
    began = time.monotonic()
    sending: list[asyncio.Future[object]] = []
    for index, message in enumerate(messages):
        await asyncio.sleep(began + index / RATE - time.monotonic())
        sent[(message.key or b"").decode()] = time.time()
        sending.append(asyncio.ensure_future(send(message)))
    await asyncio.gather(*sending)
    return sent


def _send(producer: AIOKafkaProducer, topic: str | None = None) -> Callable[[OutgoingRecord], Awaitable[object]]:
    async def send(message: OutgoingRecord) -> None:
        await producer.send_and_wait(topic or message.topic, message.value, key=message.key, headers=message.headers)

    return send


async def bare(own: Addresses, messages: Sequence[OutgoingRecord]) -> Sequence[float]:
    """Return the seconds of each bare round trip."""
    rows: LiteralString = "insert into bare values (%s, %s)"
    seen: dict[str, float] = {}
    with psycopg.connect(own.database) as connection:
        connection.execute("create table if not exists bare (key text primary key, value bytea)")
        connection.execute("truncate bare")
        connection.commit()

        def commit(records: Sequence[Any]) -> None:
            with connection.cursor() as cur:
                cur.executemany(rows, [((record.key or b"").decode(), record.value) for record in records])
            connection.commit()

        async with _clients(own.kafka, BARE) as (producer, consumer):
            sending = asyncio.create_task(_paced(messages, _send(producer, BARE)))
            while len(seen) < len(messages):
                records = list(itertools.chain.from_iterable((await consumer.getmany(timeout_ms=500)).values()))
                await asyncio.to_thread(commit, records)
                seen |= {(record.key or b"").decode(): time.time() for record in records}
            sent = await sending
    return [seen[key] - at for key, at in sent.items()]


async def redletter(own: Addresses, messages: Sequence[OutgoingRecord]) -> tuple[Sequence[float], Sequence[float]]:
    """Return the seconds of each command from its sending, and from its being accepted, to its being visible."""
    async with _clients(own.kafka, REPLIES_TOPIC) as (producer, consumer):
        looking = asyncio.create_task(_visible(own, [(message.key or b"").decode() for message in messages]))
        sending = asyncio.create_task(_paced(messages, _send(producer)))
        accepted: dict[str, float] = {}
        async with asyncio.timeout(WITHIN):
            while len(accepted) < len(messages):
                for records in (await consumer.getmany(timeout_ms=500)).values():
                    accepted |= {(record.key or b"").decode(): record.timestamp / 1000 for record in records}
            visible, sent = await looking, await sending
    return [visible[key] - at for key, at in sent.items()], [visible[key] - at for key, at in accepted.items()]


async def _visible(own: Addresses, numbers: Sequence[str]) -> Times:
    """Look until all invoices are in the status table; return when each was first seen there."""
    query: LiteralString = "select invoice_number from projections.status where invoice_number = any(%s)"
    seen: dict[str, float] = {}
    ahead = 0
    async with await psycopg.AsyncConnection.connect(own.database, autocommit=True) as connection:
        while len(seen) < len(numbers):
            while ahead < len(numbers) and numbers[ahead] in seen:
                ahead += 1
            near = [number for number in numbers[ahead : ahead + RATE] if number not in seen]
            found = await (await connection.execute(query, (near,))).fetchall()
            seen |= {number: time.time() for (number,) in found}
            await asyncio.sleep(LOOK_EVERY)
    return seen


async def measure(servers: Addresses, folder: Path) -> Mapping[str, list[Sequence[float]]]:
    """Run both in turns."""
    runs: dict[str, list[Sequence[float]]] = {
        "bare round trip": [],
        "sent to visible": [],
        "accepted to visible": [],
    }
    async with system(servers) as own:
        await asyncio.to_thread(schema.ensure_read_tables, own.database)
        with programs.running({role: role_command(role) for role in ROLES}, own, folder):
            await redletter(own, _registrations(0, WARMING))
            await bare(own, _registrations(0, WARMING))
            console.print(f"{RUNS} runs of {COMMANDS:,} commands at {RATE} a second")
            for number in range(RUNS):
                messages = _registrations(WARMING + number * COMMANDS, COMMANDS)
                with console.status(f"run {number + 1} of {RUNS}"):
                    bare_trips = await bare(own, messages)
                    for name, seconds in zip(runs, (bare_trips, *await redletter(own, messages)), strict=True):
                        runs[name].append(seconds)
                console.print(f"run {number + 1} of {RUNS}: done")
    return runs


def _registrations(first: int, count: int) -> Sequence[OutgoingRecord]:
    return next(waves(range(first, first + count)))


def _table(runs: Mapping[str, list[Sequence[float]]]) -> Table:
    shown = Table(title=f"at {RATE} commands a second, in ms: medians of {RUNS} runs, with the lowest and the highest")
    for column in ("", "p50", "p99", "times bare, p50", "times bare, p99"):
        shown.add_column(column, justify="right" if column else "left")
    least = [median(percentile(run, share) for run in runs["bare round trip"]) for share in (50, 99)]
    for name, of_one in runs.items():
        figures = [[percentile(run, share) for run in of_one] for share in (50, 99)]
        times = [f"{median(figure) / bare:.1f}" for figure, bare in zip(figures, least, strict=True)]
        shown.add_row(name, *map(milliseconds, figures), *times)
    return shown


def main() -> None:
    """Measure and print."""
    logs.configure("critical")
    with TemporaryDirectory(prefix="redletter-bench-logs-") as folder, servers() as (addresses, _):
        console.print(_table(asyncio.run(measure(addresses, Path(folder)))))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("stopped")

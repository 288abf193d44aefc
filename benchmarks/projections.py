"""Measure a rebuild of the status model in events per second: (a) the library's runner, (b) redletter, (c) a raw pipe.

    python -m benchmarks.projections

The raw pipe consumes the same bytes and bulk-loads the same rows; it decodes and folds nothing. Runs in turns on
embedded servers of its own, or on those that the environment names. Figures also go to benchmarks/out/projections.json.
"""

import asyncio
import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any, LiteralString

import psycopg
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from rich.console import Console
from rich.table import Table

from benchmarks import library_runner
from benchmarks.fresh_servers import PARTITIONS, servers, system
from benchmarks.summary import spread
from events import cloudevents
from events.catalogue import json_of, name_of
from events.invoice_events import (
    AnyInvoiceEvent,
    CreditNoteIssued,
    InvoiceIssued,
    InvoiceReturned,
    PostingStatusChanged,
    RedFontFormConfirmed,
    ReturnRequested,
)
from events.names import WORKER_SOURCE, event_id
from events.topics import EVENTS_TOPIC
from events.values import Buyer, Calendar, Charge, RedFontForm, Seller
from projections import schema
from projections.catalogue import MODELS
from projections.rebuild.filling import MAX_FILL_RECORDS
from projections.rebuild.rebuilding import ProgressReport, rebuild
from redletter import logs
from transport.addresses import Addresses

ROUNDS = 3
INVOICES = {"runner": 250, "redletter": 50_000, "raw": 50_000}
"""Invoices of one run, each with six events. The slow program gets fewer."""
ABREAST = 500
"""Invoices whose events are mixed with one another on the topic."""
START = datetime(2026, 2, 13, 1, 30, tzinfo=UTC)
OUT = Path(__file__).parent / "out" / "projections.json"
NAMES = {"runner": "a  the library's runner", "redletter": "b  redletter", "raw": "c  raw pipe"}
TIMES_RUNNER, OF_RAW = 30.0, 0.4
"""What is wanted of the medians: b over a, and b over c."""

Stored = tuple[AnyInvoiceEvent, int, str]
"""An event, its version, and the name it is stored under."""

console = Console()


def story(index: int) -> list[Stored]:
    """Return the events of one invoice, from its issue to the end of its return."""
    number, return_id = f"26{index:018d}", f"return-{index}"
    net, tax = Decimal("100.00"), Decimal("6.00")
    form = RedFontForm(
        number=f"33{index:018d}",
        state="04",
        invoice_number=number,
        kind="special",
        seller_tax_id="91330106MA2CFLDG4R",
        buyer_tax_id="91110108551385082Q",
        net_amount=-net,
        tax_amount=-tax,
        reason_code="01",
        entered_at=START,
    )

    def own(hour: int) -> dict[str, Any]:
        return {
            "invoice_number": number,
            "account_id": f"account-{index % 1000}",
            "occurred_at": START + timedelta(hours=hour),
        }

    events: list[AnyInvoiceEvent] = [
        InvoiceIssued(
            **own(0),
            kind="special",
            issued_on=date(2026, 2, 1),
            seller=Seller(name="Cloud Company", tax_id="91330106MA2CFLDG4R"),
            buyer=Buyer(name="Example Ltd.", tax_id="91110108551385082Q"),
            net_amount=net,
            tax_amount=tax,
            total_amount=net + tax,
            charges=(Charge(charge_id=f"charge-{index}", amount=net + tax),),
        ),
        PostingStatusChanged(**own(1), previous="unknown", posting_status="recorded", observed_at=START),
        ReturnRequested(
            **own(2),
            return_id=return_id,
            route="form",
            posting_status="recorded",
            reason="wrong_amount",
            remarks=number,
            red_font_form_number=form.number,
            due_earliest=START,
            due_latest=START + timedelta(days=3),
            calendar=Calendar(version="1", provisional=False),
        ),
        RedFontFormConfirmed(**own(3), return_id=return_id, form=form),
        CreditNoteIssued(
            **own(4),
            return_id=return_id,
            credit_note_number=f"27{index:018d}",
            issued_on=date(2026, 2, 14),
            form_number=form.number,
            net_amount=-net,
            tax_amount=-tax,
            released_charge_ids=(f"charge-{index}",),
        ),
        InvoiceReturned(**own(5), return_id=return_id, credit_note_number=f"27{index:018d}", business_days_used=1),
    ]
    return [(event, version, name_of(type(event))) for version, event in enumerate(events, 1)]


def mixed(invoices: int) -> list[Stored]:
    """Return the events of many invoices as they come: in order for each, the invoices of a group in turns."""
    events: list[Stored] = []
    for first in range(0, invoices, ABREAST):
        stories = [story(index) for index in range(first, min(first + ABREAST, invoices))]
        events += [one for step in zip(*stories, strict=True) for one in step]
    return events


async def publish(bootstrap: str, events: Sequence[Stored]) -> None:
    """Publish events as the relay does."""
    servers: Any = bootstrap.split(",")
    async with AIOKafkaProducer(bootstrap_servers=servers, linger_ms=5, max_batch_size=262_144) as producer:
        sent: list[asyncio.Future[Any]] = []
        for event, version, name in events:
            number = event.invoice_number
            headers = cloudevents.headers(
                id=event_id(number, version),
                source=WORKER_SOURCE,
                name=name,
                subject=number,
                time=event.occurred_at,
                correlation=f"story-{number}",
                causation=f"command-{number}-{version}",
                version=version,
            )
            sent.append(await producer.send(EVENTS_TOPIC, json_of(event), key=number.encode(), headers=headers))
        await asyncio.gather(*sent)


async def redletter(addresses: Addresses, events: int) -> float:
    """Rebuild the status model, and return events per second."""
    began = time.monotonic()
    await rebuild(addresses, MODELS["status"], ProgressReport(_quietly, lambda _: None), grace=0)
    return events / (time.monotonic() - began)


def _quietly(_done: int, _total: int) -> None:
    """Show nothing: drawing takes time too."""


_RAW_TABLE: LiteralString = """
    drop table if exists raw_status;
    create table raw_status (invoice_number text collate "C" primary key, version integer not null,
        account_id text not null, document json not null) with (fillfactor = 70)
"""
_LOAD: LiteralString = "copy raw_status (invoice_number, version, account_id, document) from stdin"


async def raw(addresses: Addresses, events: int) -> float:
    """Consume the same bytes and load the same rows, overlapped as ours are, and return events per second."""
    with psycopg.connect(addresses.database) as connection:
        rows = connection.execute("select invoice_number, version, account_id, document::text from projections.status")
        loaded = rows.fetchall()
        connection.execute(_RAW_TABLE)
    partitions = [TopicPartition(EVENTS_TOPIC, partition) for partition in range(PARTITIONS)]
    servers: Any = addresses.kafka.split(",")
    began = time.monotonic()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=servers,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        fetch_max_bytes=50 << 20,
        max_partition_fetch_bytes=4 << 20,
    )
    consumer.assign(partitions)
    await consumer.start()
    done, writing = 0, asyncio.ensure_future(asyncio.sleep(0))
    with psycopg.connect(addresses.database) as connection:
        while done < events:
            batch = await consumer.getmany(timeout_ms=500, max_records=MAX_FILL_RECORDS)
            before, done = done, done + sum(map(len, batch.values()))
            await writing
            part = loaded[before * len(loaded) // events : done * len(loaded) // events]
            writing = asyncio.ensure_future(asyncio.to_thread(_copy, connection, part))
        await writing
    rate = events / (time.monotonic() - began)
    await consumer.stop()
    return rate


def _copy(connection: psycopg.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    with connection.cursor() as cur, cur.copy(_LOAD) as copy:
        for row in rows:
            copy.write_row(row)
    connection.commit()


async def measure(servers: Addresses) -> dict[str, list[float]]:
    """Run all programs in turns, over the same topic."""
    runs: dict[str, list[float]] = {name: [] for name in INVOICES}
    events = mixed(INVOICES["redletter"])
    async with system(servers) as own:
        await asyncio.to_thread(schema.ensure_read_tables, own.database)
        with console.status(f"publishing {len(events):,} events"):
            await publish(own.kafka, events)
        await asyncio.to_thread(_stand_at_the_end, own)
        for number in range(1, ROUNDS + 1):
            for name in INVOICES:
                with console.status(f"round {number} of {ROUNDS}: {name}"):
                    runs[name].append(await _run(name, own, number))
                console.print(f"round {number} of {ROUNDS}: {name:<10}{runs[name][-1]:>9,.0f} events/s")
    return runs


async def _run(name: str, own: Addresses, number: int) -> float:
    if name == "runner":
        first = number * 1_000_000  # each round has invoices of its own
        few = [one for index in range(INVOICES["runner"]) for one in story(first + index)]
        return await asyncio.to_thread(library_runner.measure, own.database, few)
    program = redletter if name == "redletter" else raw
    return await program(own, 6 * INVOICES[name])


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
    servers: Any = bootstrap.split(",")
    async with AIOKafkaConsumer(bootstrap_servers=servers) as consumer:
        return await consumer.end_offsets([TopicPartition(EVENTS_TOPIC, partition) for partition in range(PARTITIONS)])


def _table(runs: dict[str, list[float]]) -> Table:
    drawn = Table(title="events per second, rebuild of the status model")
    for column in ("program", *(f"run {number + 1}" for number in range(ROUNDS)), "median", "spread"):
        drawn.add_column(column, justify="left" if column == "program" else "right")
    for name, rates in runs.items():
        drawn.add_row(NAMES[name], *(f"{rate:,.0f}" for rate in (*rates, median(rates))), f"{spread(rates):.0%}")
    return drawn


def main() -> None:
    """Measure, print, and write the figures down."""
    logs.configure("critical")
    console.print("starting the servers")
    with servers() as (addresses, _):
        runs = asyncio.run(measure(addresses))
    console.print(_table(runs))
    times, share = (median(runs["redletter"]) / median(runs[name]) for name in ("runner", "raw"))
    console.print(f"b/a {times:.1f} (wanted {TIMES_RUNNER:.0f})   b/c {share:.2f} (wanted {OF_RAW})")
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(runs))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("stopped; nothing was written down")

"""Invoices that one read model cannot fold: it leaves out their later events, and goes on with all others.

Parking is about one invoice in one read model. What the rows show of it is what it was before the event that could not
be folded. After a fix it is folded anew from its events (`projections.releasing`).
"""

from collections.abc import Collection, Sequence
from typing import LiteralString

import psycopg
import structlog
from aiokafka import TopicPartition
from psycopg import AsyncConnection
from psycopg.errors import IntegrityError, ProgramLimitExceeded
from psycopg.rows import TupleRow, class_row

from events.published import Published
from events.values import InvoiceNumber, Message, Time
from projections.engine.folding import NotAnEvent
from projections.engine.read_model import Cur
from projections.engine.version_gaps import VersionGap
from transport.clients.postgres import about_content
from transport.records import KafkaRecord, Undecodable

log = structlog.get_logger(__name__)

MAX_PARKED_INVOICES = 1000
"""Invoices of one partition that a read model parks; where more cannot be folded it stops, since it is at fault."""

CREATE_PARKED: LiteralString = """
    create table if not exists projections.parked (
        model text not null, -- with the suffix of the tables that a rebuild fills
        invoice_number text collate "C" not null,
        topic text not null,
        partition integer not null,
        record_offset bigint not null, -- of the event that could not be folded
        version integer not null, -- of that event
        why text not null,
        since timestamptz not null default now(),
        primary key (model, invoice_number)
    )
"""
_OF_PARTITIONS = """
    select model, invoice_number from projections.parked
    join unnest(%s::text[], %s::int[]) as asked (topic, partition) using (topic, partition) where model = any(%s)
"""
_PARK = """
    insert into projections.parked (model, invoice_number, topic, partition, record_offset, version, why)
    select %(model)s, %(invoice)s, %(topic)s, %(partition)s, %(offset)s, %(version)s, %(why)s
    where (
        select count(*) from projections.parked where model = %(model)s and topic = %(topic)s
            and partition = %(partition)s
    ) < %(most)s
"""

_SUMMARY = """
    select model, count(*) as invoices, min(since) as since, (array_agg(invoice_number order by since))[1] as first,
        (array_agg(why order by since))[1] as why
    from projections.parked where model = any(%s) group by model order by model
"""

ParkedInvoices = frozenset[tuple[str, str]]
"""(model, invoice number) of what is parked."""


class OutOfDateModel(Message):
    """How many invoices a read model has parked. since, first and why: of the one parked first, by number."""

    model: str
    invoices: int
    since: Time
    first: InvoiceNumber
    why: str


class TooManyParked(Exception):
    """A read model has parked so many invoices of a partition that the fault is its own."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"{MAX_PARKED_INVOICES} invoices of this partition are parked, and one more cannot be folded: {why}"
        )


def is_fault_of_event(error: Exception) -> bool:
    """Return whether an error, of one event alone, would come again on every try and concerns only its invoice.

    A lost event, a record that is none, and trouble of the surroundings (a server away, a privilege or table missing, a
    time-out) do not.
    """
    if isinstance(error, psycopg.Error):
        return about_content(error) or isinstance(error, (IntegrityError, ProgramLimitExceeded))
    return not isinstance(error, (NotAnEvent, VersionGap, OSError, MemoryError))


def ask_parked(cur: Cur, models: Sequence[str], partitions: Collection[TopicPartition]) -> None:
    """Ask what is parked of these partitions; `stored_parked` returns it."""
    cur.execute(
        _OF_PARTITIONS, ([one.topic for one in partitions], [one.partition for one in partitions], list(models))
    )


def stored_parked(cur: Cur) -> ParkedInvoices:
    """Return what `ask_parked` has asked for."""
    return frozenset(cur.fetchall())


def park(cur: Cur, model: str, record: KafkaRecord, published: Published, why: str) -> None:
    """Park the invoice of an event, in the transaction that moves the position past it. Raises: TooManyParked."""
    facts = {"model": model, "invoice": published.event.invoice_number, "version": published.version, "why": why}
    place = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
    cur.execute(_PARK, {**facts, **place, "most": MAX_PARKED_INVOICES})
    if not cur.rowcount:
        raise TooManyParked(why)
    log.error("invoice_parked_in_read_model", **facts, **place)


def without_parked(records: Sequence[KafkaRecord], parked: ParkedInvoices) -> Sequence[KafkaRecord]:
    """Return the records that are not of these invoices. parked: of one read model."""
    if not parked:
        return records
    keys = {number.encode() for _, number in parked}
    return [record for record in records if isinstance(record, Undecodable) or record.key not in keys]


async def out_of_date(connection: AsyncConnection[TupleRow], models: Collection[str]) -> list[OutOfDateModel]:
    """Return which of these read models have parked invoices."""
    async with connection.cursor(row_factory=class_row(OutOfDateModel)) as cur:
        return await (await cur.execute(_SUMMARY, (list(models),))).fetchall()

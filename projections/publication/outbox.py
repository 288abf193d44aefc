"""Which status documents are not yet on `invoice.status`: at most one row per invoice, for its newest document.

A row is written in the transaction that changes the document, and deleted once that version is published. The
document itself is read from the status table when it is published.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from psycopg import AsyncConnection, Cursor
from psycopg.rows import TupleRow, class_row

from events.names import event_id
from events.status import InvoiceStatus
from projections.engine.folding import Changed
from projections.engine.read_model import Cur, about
from transport.partitioning import partition_of

CREATE = """
    create table if not exists projections.status_outbox (
        invoice_number text collate "C" primary key,
        version integer not null,
        partition integer not null, -- of invoice.events: whoever owns it publishes the document
        as_of timestamptz not null,
        causation text not null,
        correlation text not null,
        traceparent text
    )
"""
CREATE_INDEX = """
    create index if not exists status_outbox_of_partition on projections.status_outbox (partition, invoice_number)
"""
_PUT = """
    insert into projections.status_outbox as t
        (invoice_number, version, partition, as_of, causation, correlation, traceparent)
    select * from unnest(%b::text[], %b::int[], %b::int[], %b::timestamptz[], %b::text[], %b::text[], %b::text[])
    on conflict (invoice_number) do update
        set version = excluded.version, partition = excluded.partition, as_of = excluded.as_of,
            causation = excluded.causation, correlation = excluded.correlation, traceparent = excluded.traceparent
        where excluded.version > t.version
"""
_PUT_AGAIN = f"{_PUT.rstrip()[: -len('> t.version')]}>= t.version"
_CHANGED = """
    select n.invoice_number, n.version, (n.document ->> 'as_of')::timestamptz
    from {table} as n join projections.status as s using (invoice_number)
    where n.document::text <> s.document::text
"""
# The version joins too: while the status table has another version than this one, the document waits, and those that
# wait are not counted. The offset lets no plan read the whole status table.
_PENDING = """
    select o.invoice_number, o.version, o.partition, o.as_of, o.causation, o.correlation, o.traceparent,
        o.document
    from unnest(%s::int[]) as owned (p)
    cross join lateral (
        select queued.*, s.document from projections.status_outbox as queued
        cross join lateral (
            select document::text as document from projections.status
            where invoice_number = queued.invoice_number and version = queued.version offset 0
        ) as s
        where partition = p order by invoice_number limit %s
    ) as o
"""
# A row that is locked is being replaced by a newer version, which stays; waiting for it could deadlock.
_DROP = """
    with published as (
        select o.invoice_number from projections.status_outbox as o
        join unnest(%s::text[], %s::int[]) as p (n, v) on o.invoice_number = p.n and o.version = p.v
        for update of o skip locked
    )
    delete from projections.status_outbox as o using published as p where o.invoice_number = p.invoice_number
"""


@dataclass(frozen=True, slots=True)
class UnpublishedDocument:
    """A status document that is to be published.

    partition: of `invoice.events`. as_of: time of the event folded last; causation is that event's id, correlation and
    traceparent are copied from it. document: JSON text.
    """

    invoice_number: str
    version: int
    partition: int
    as_of: datetime
    causation: str
    correlation: str
    traceparent: str | None
    document: str


class HeldBack(NamedTuple):
    """A version that an invoice will have, in the order of the outbox's columns; the trace is that of its event."""

    invoice_number: str
    version: int
    partition: int
    as_of: datetime
    causation: str
    correlation: str
    traceparent: str | None


def put(cur: Cursor[TupleRow], changed: Sequence[Changed[InvoiceStatus]]) -> None:
    """Queue these documents to be published, in the transaction that changes them."""
    rows = [(row.invoice_number, row.version, last.partition, row.as_of, *last.trace) for row, _, last, _ in changed]
    cur.execute(_PUT, [list(column) for column in zip(*rows, strict=True)])


def hold_back(cur: Cur, newest: Sequence[HeldBack]) -> None:
    """Publish no document of an invoice before it has reached a version.

    For a status table that came back older than the topic, which has the documents in between already.
    """
    cur.execute(_PUT, [list(column) for column in zip(*newest, strict=True)])


def put_again(cur: Cur, table: str, partitions: int) -> None:
    """Queue the documents that differ in a table that is about to replace the live one.

    partitions: of `invoice.events`; an invoice's partition follows from its number, as for every Kafka client.
    """
    cur.execute(about(table, _CHANGED))
    rows = [
        (
            number,
            version,
            partition_of(number.encode(), 0, partitions),
            as_of,
            *[event_id(number, version)] * 2,
            None,
        )
        for number, version, as_of in cur.fetchall()
    ]
    if rows:
        cur.execute(_PUT_AGAIN, [list(column) for column in zip(*rows, strict=True)])


async def pending(
    connection: AsyncConnection[TupleRow], partitions: Collection[int], limit: int
) -> list[UnpublishedDocument]:
    """Return what is to be published for these partitions, at most ``limit`` documents of each."""
    async with connection.cursor(row_factory=class_row(UnpublishedDocument)) as cur:
        await cur.execute(_PENDING, (sorted(partitions), limit))
        return await cur.fetchall()


async def drop(connection: AsyncConnection[TupleRow], published: Sequence[UnpublishedDocument]) -> None:
    """Delete exactly the versions that were published; a document that has changed since stays."""
    numbers = [document.invoice_number for document in published]
    versions = [document.version for document in published]
    await connection.execute(_DROP, (numbers, versions))

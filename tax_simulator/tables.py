"""The platform's books and the records to send, in a separate schema that nothing else of Redletter reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from psycopg import AsyncCursor
from psycopg.rows import TupleRow
from pydantic import TypeAdapter

from events.tax_requests import AnyTaxRequest, IssueCreditNote, VerifyRedFontForm
from tax_simulator.platform import Books, FiledForm

TextHeaders = list[tuple[str, str]]
_HEADERS = TypeAdapter(TextHeaders)


@dataclass(frozen=True, slots=True)
class ScheduledRecord:
    """A record to send, and when."""

    due_at: datetime
    topic: str
    key: bytes
    value: bytes
    headers: TextHeaders


_CREATE: LiteralString = """
    create schema if not exists tax_simulator;
    create table if not exists tax_simulator.forms (number text primary key, about text not null, body jsonb not null);
    create index if not exists forms_about on tax_simulator.forms (about);
    create table if not exists tax_simulator.requests (id text primary key, times int not null);
    create table if not exists tax_simulator.answers (
        number bigint generated always as identity primary key, due_at timestamptz not null, topic text not null,
        key bytea not null, value bytea not null, headers text not null);
    create index if not exists answers_due on tax_simulator.answers (due_at);
"""
_FORMS: LiteralString = """
    select number, body::text from tax_simulator.forms where about = any(%s) or number = any(%s)
"""
_ASKED: LiteralString = "select id, times from tax_simulator.requests where id = any(%s)"
_SAVE_FORMS: LiteralString = """
    insert into tax_simulator.forms (number, about, body)
    select number, about, body::jsonb from unnest(%s::text[], %s::text[], %s::text[]) as f (number, about, body)
    on conflict (number) do update set body = excluded.body
"""
_SAVE_ASKED: LiteralString = """
    insert into tax_simulator.requests (id, times) select * from unnest(%s::text[], %s::int[])
    on conflict (id) do update set times = excluded.times
"""
_SAVE_ANSWERS: LiteralString = """
    insert into tax_simulator.answers (due_at, topic, key, value, headers)
    select * from unnest(%s::timestamptz[], %s::text[], %s::bytea[], %s::bytea[], %s::text[])
"""
_TAKE_DUE: LiteralString = """
    with taken as (
        delete from tax_simulator.answers where number in (
            select number from tax_simulator.answers where due_at <= %s order by due_at, number limit %s
            for update skip locked)
        returning number, due_at, topic, key, value, headers)
    select due_at, topic, key, value, headers from taken order by due_at, number
"""


async def create_tables(cur: AsyncCursor[TupleRow]) -> None:
    """Create the tables that do not exist yet."""
    await cur.execute("select pg_advisory_xact_lock(hashtext('tax_simulator'))")
    await cur.execute(_CREATE)


async def load_books(cur: AsyncCursor[TupleRow], requests: Sequence[AnyTaxRequest]) -> Books:
    """Load the part of the books that these requests concern."""
    invoices = sorted({request.invoice_number for request in requests})
    numbers = sorted({one.form_number for one in requests if isinstance(one, VerifyRedFontForm | IssueCreditNote)})
    await cur.execute(_FORMS, (invoices, numbers))
    forms = {number: FiledForm.model_validate_json(body) for number, body in await cur.fetchall()}
    await cur.execute(_ASKED, (sorted({request.request_id for request in requests}),))
    return Books(forms, dict(await cur.fetchall()))


async def save_books(cur: AsyncCursor[TupleRow], books: Books, records: Sequence[ScheduledRecord]) -> None:
    """Write the books, and the records to send."""
    forms = [(number, filed.about, filed.model_dump_json(exclude_none=True)) for number, filed in books.forms.items()]
    await cur.execute(_SAVE_FORMS, _columns(forms, 3))
    await cur.execute(_SAVE_ASKED, _columns(list(books.asked.items()), 2))
    rows = [(one.due_at, one.topic, one.key, one.value, _HEADERS.dump_json(one.headers).decode()) for one in records]
    await cur.execute(_SAVE_ANSWERS, _columns(rows, 5))


async def take_due_records(cur: AsyncCursor[TupleRow], now: datetime, max_records: int) -> list[ScheduledRecord]:
    """Delete and return the records that are due, in the caller's transaction: they stay if it fails."""
    await cur.execute(_TAKE_DUE, (now, max_records))
    return [
        ScheduledRecord(due_at, topic, key, value, _HEADERS.validate_json(headers))
        for due_at, topic, key, value, headers in await cur.fetchall()
    ]


def _columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    return [[row[column] for row in rows] for column in range(width)]

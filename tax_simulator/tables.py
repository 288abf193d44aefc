"""The platform's books and the answers on their way, in a schema of their own that nothing else of Redletter reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from psycopg import AsyncCursor
from psycopg.rows import TupleRow
from pydantic import TypeAdapter

from events.tax_requests import AnyTaxRequest, IssueCreditNote, VerifyRedFontForm
from tax_simulator.platform import Books, Filed

Headers = list[tuple[str, str]]
_HEADERS = TypeAdapter(Headers)


@dataclass(frozen=True, slots=True)
class Pending:
    """An answer on its way, and when it arrives."""

    due_at: datetime
    topic: str
    key: bytes
    value: bytes
    headers: Headers


_LAY: LiteralString = """
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


async def lay(cur: AsyncCursor[TupleRow]) -> None:
    """Create the tables where they are not there yet."""
    await cur.execute("select pg_advisory_xact_lock(hashtext('tax_simulator'))")
    await cur.execute(_LAY)


async def load(cur: AsyncCursor[TupleRow], requests: Sequence[AnyTaxRequest]) -> Books:
    """Return the part of the books that these requests are about."""
    invoices = sorted({request.invoice_number for request in requests})
    numbers = sorted({one.form_number for one in requests if isinstance(one, VerifyRedFontForm | IssueCreditNote)})
    await cur.execute(_FORMS, (invoices, numbers))
    forms = {number: Filed.model_validate_json(body) for number, body in await cur.fetchall()}
    await cur.execute(_ASKED, (sorted({request.request_id for request in requests}),))
    return Books(forms, dict(await cur.fetchall()))


async def save(cur: AsyncCursor[TupleRow], books: Books, answers: Sequence[Pending]) -> None:
    """Write the books, and the answers that are to be sent."""
    forms = [(number, filed.about, filed.model_dump_json(exclude_none=True)) for number, filed in books.forms.items()]
    await cur.execute(_SAVE_FORMS, _columns(forms, 3))
    await cur.execute(_SAVE_ASKED, _columns(list(books.asked.items()), 2))
    rows = [(one.due_at, one.topic, one.key, one.value, _HEADERS.dump_json(one.headers).decode()) for one in answers]
    await cur.execute(_SAVE_ANSWERS, _columns(rows, 5))


async def take_due(cur: AsyncCursor[TupleRow], now: datetime, most: int) -> list[Pending]:
    """Take the answers that have arrived off the list, in the caller's transaction: they stay if it fails."""
    await cur.execute(_TAKE_DUE, (now, most))
    return [
        Pending(due_at, topic, key, value, _HEADERS.validate_json(headers))
        for due_at, topic, key, value, headers in await cur.fetchall()
    ]


def _columns(rows: Sequence[tuple[object, ...]], width: int) -> list[list[object]]:
    return [[row[column] for row in rows] for column in range(width)]

"""A list of invoices that differ in everything that it can be asked for, written straight into its two tables.

Accounts and buyers are of very different sizes, as real ones are: the largest has about one invoice in twenty.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import LiteralString, cast

import psycopg
from psycopg.sql import SQL, Identifier

from benchmarks.event_load import story
from events.catalogue import json_of
from events.invoice_events import AnyInvoiceEvent, InvoiceIssued
from events.status import InvoiceStatus
from projections import schema
from projections.invoices.fold import issued_part
from projections.invoices.standing import Standing
from projections.invoices.table import InvoicesTable
from projections.status.fold import fold

ACCOUNTS, BUYERS, DAYS = 5_000, 20_000, 1000
NEWEST = date(2026, 2, 1)
EVENTS: Mapping[Standing, int] = {
    "issued": 1,
    "refused": 1,
    "return_in_progress": 3,
    "overdue": 3,
    "reversed_with_credit_note": 5,
    "returned": 6,
}
"""How many events of a story the status document of each standing has seen."""

_VARY: LiteralString = """
    create unlogged table varied as
    select '26' || lpad(i::text, 18, '0') as number, 'account-' || floor(power(random(), 3) * %(accounts)s) as account,
        lpad(floor(power(random(), 3) * %(buyers)s)::text, 5, '0') as buyer,
        %(newest)s::date - i %% %(days)s as issued_on,
        case when random() < 0.3 then 'special' else 'general' end as kind,
        round(exp(random() * 9)::numeric, 2) as total_amount,
        (array['unknown', 'not_recorded', 'recorded'])[1 + floor(power(random(), 2) * 3)::int] as posting_status,
        case when chance < 0.9 then 'issued' when chance < 0.902 then 'refused' when chance < 0.908
            then 'return_in_progress' when chance < 0.9085 then 'overdue' when chance < 0.909
            then 'reversed_with_credit_note' else 'returned' end as standing
    from generate_series(0, %(invoices)s - 1) as i
    cross join lateral (select random() as chance where i is not null) as c
"""
_INSERT: LiteralString = """
    insert into projections.invoices (
        invoice_number, account_id, kind, issued_on, total_amount, standing, posting_status, due_latest, version,
        document
    )
    select number, account, kind, issued_on, total_amount, standing, posting_status,
        case when standing = 'return_in_progress' then now() + random() * interval '3 days'
            when standing = 'overdue' then now() - random() * interval '3 days' end, events,
        replace(replace(document, %(number)s, number), %(account)s, account)::json
    from varied join unnest(%(standings)s::text[], %(events)s::int[], %(documents)s::text[])
        as seen (standing, events, document) using (standing)
"""
_INSERT_ISSUED: LiteralString = """
    insert into projections.invoices_issued (
        invoice_number, kind, issued_on, total_amount, buyer_name, buyer_tax_id, issued
    )
    select number, kind, issued_on, total_amount, 'buyer ' || buyer || ' ltd.', 'B' || buyer,
        replace(replace(replace(%(issued)s, %(buyer)s, 'Buyer ' || buyer || ' Ltd.'), %(day)s, issued_on::text),
            %(amount)s, total_amount::text)::json
    from varied
"""
_SECONDARY: LiteralString = """
    select i.indexrelid::regclass::text from pg_index as i
    where not i.indisprimary and i.indrelid = any(%s::regclass[])
"""


def fill_list(database: str, invoices: int) -> None:
    """Bring so many invoices into the list, and into no other read model."""
    schema.ensure_read_tables(database)
    events = [event for event, *_ in story(0)]
    first = cast("InvoiceIssued", events[0])
    documents = [_document(events[:seen]) for seen in EVENTS.values()]
    facts = {
        "accounts": ACCOUNTS,
        "buyers": BUYERS,
        "days": DAYS,
        "newest": NEWEST,
        "invoices": invoices,
        "number": first.invoice_number,
        "account": first.account_id,
        "standings": list(EVENTS),
        "events": list(EVENTS.values()),
        "documents": [json_of(one).decode() for one in documents],
        "issued": json_of(issued_part(first)).decode(),
        "buyer": first.buyer.name,
        "day": str(first.issued_on),
        "amount": str(first.total_amount),
    }
    list_ = InvoicesTable()
    tables = [f"projections.{name}" for name in list_.names()]
    with psycopg.connect(database, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        for (index,) in connection.execute(_SECONDARY, (tables,)).fetchall():
            connection.execute(SQL("drop index {}").format(Identifier(*index.split("."))))
        for statement in (_VARY, _INSERT, _INSERT_ISSUED):
            connection.execute(statement, facts)
        connection.execute("drop table varied")
        with connection.cursor() as cur:
            list_.index(cur)
        connection.execute("vacuum analyze")


def _document(events: Sequence[AnyInvoiceEvent]) -> InvoiceStatus:
    row = fold(None, events[0], 1)
    for version, event in enumerate(events[1:], 2):
        row = fold(row, event, version)
    return row

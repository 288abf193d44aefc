"""Many invoices made of a few, in place: each row of a table is copied, with other digits in place of its invoice's.

So millions of rows come in minutes, and they are what the program itself wrote, whatever tables and columns it has.
"""

from collections.abc import Collection, Mapping
from typing import LiteralString, NamedTuple

import psycopg
from psycopg.sql import SQL, Composed, Identifier, Literal

from local import terminal

FIRST = 900_000_000_000
"""The index of the first invoice that is copied. Its twelve digits are in all that is its own, and are replaced."""
LOG_TABLES = ("invoice_events", "replies", "claims", "clock_invoices")
"""Of the write side. Timers are left out: the invoices that are made are as if their returns had ended."""
_KEYS = ("invoice_number", "originator_id", "subject")
"""The columns of which one names the invoice."""
DAYS = 1000
"""Days over which the copies were issued."""
_PLACES = 1_000_000
"""Copies lie before their originals in the log, by so many places for each: relays have published those already."""
_COPIES_AT_ONCE = 1000
_COLUMNS: LiteralString = """
    select table_name, array_agg(column_name::text), array_agg(data_type::text) from information_schema.columns
    join information_schema.tables using (table_schema, table_name)
    where table_schema = %s and table_type = 'BASE TABLE' and is_generated = 'NEVER'
    group by table_name order by table_name
"""


class Originals(NamedTuple):
    """The invoices that are copied: how many, from `FIRST` on, and the day on which they were issued."""

    invoices: int
    issued_on: str


def multiply_read_tables(database: str, originals: Originals, copies: range) -> None:
    """Copy the rows of all read tables; documents that wait to be published are not copied."""
    _multiply(database, "projections", originals, copies)


def multiply_log(database: str, originals: Originals, copies: range) -> None:
    """Copy the rows of `LOG_TABLES`; a trigger uses up the ids of commands that the copies have."""
    _multiply(database, "redletter", originals, copies, LOG_TABLES)


def multiply_replies(database: str, originals: Originals, copies: range) -> None:
    """Copy what the log remembers of commands, and nothing else."""
    _multiply(database, "redletter", originals, copies, ("replies",))


def lengthen(database: str, number: str, events: int) -> None:
    """Repeat the last event of an invoice until it has so many; the state that they fold to stays the same."""
    with psycopg.connect(database, autocommit=True) as connection:
        tables = connection.execute(_COLUMNS, ("redletter",)).fetchall()
        columns = next(columns for table, columns, _ in tables if table == "invoice_events")
        own: Mapping[str, LiteralString] = {"originator_version": "version", "place": "place - version"}
        statement = SQL("""
            insert into redletter.invoice_events ({columns})
            select {values} from redletter.invoice_events as t,
                lateral generate_series(t.originator_version + 1, {events}) as version
            where originator_id = {number} and originator_version =
                (select max(originator_version) from redletter.invoice_events where originator_id = {number})
        """)
        connection.execute(
            statement.format(
                columns=SQL(", ").join(map(Identifier, columns)),
                values=SQL(", ").join(SQL(own[name]) if name in own else Identifier(name) for name in columns),
                events=Literal(events),
                number=Literal(number),
            )
        )
        connection.execute("vacuum analyze")


def copied_number(copy: int, invoice: int, invoices: int) -> str:
    """Return the number of a copied invoice, of so many that were copied."""
    return f"26{copy * invoices + invoice:018}"


def _multiply(database: str, schema: str, originals: Originals, copies: range, tables: Collection[str] = ()) -> None:
    """Copy each row once for each number in ``copies``; a copy was issued up to `DAYS` earlier. tables: all if none."""
    with psycopg.connect(database, autocommit=True) as connection:
        for table, columns, types in connection.execute(_COLUMNS, (schema,)).fetchall():
            key = next((name for name in _KEYS if name in columns), None)
            if key and (table in tables if tables else table != "status_outbox"):
                kinds = dict(zip(columns, types, strict=True))
                with terminal.progress_bars(transient=True) as bars:
                    parts = [copies[at : at + _COPIES_AT_ONCE] for at in range(0, len(copies), _COPIES_AT_ONCE)]
                    for part in bars.track(parts, description=f"{schema}.{table}"):
                        connection.execute(_copying(Identifier(schema, table), key, kinds, originals, part))
        connection.execute("vacuum analyze")


def _copying(table: Identifier, key: str, kinds: Mapping[str, str], originals: Originals, copies: range) -> Composed:
    values = [_value(Identifier("t", name), name, kind) for name, kind in kinds.items()]
    return SQL("""
        insert into {table} ({columns})
        select {values} from {table} as t cross join generate_series({first}, {last}) as copy,
            lateral (select substr(t.{key}, 9) as own, lpad((copy::bigint * {invoices}
                + substr(t.{key}, 9)::bigint - {first_invoice})::text, 12, '0') as fresh,
                {issued_on} as day, (date {issued_on} - copy % {days})::text as earlier offset 0) as d
        where substr(t.{key}, 9)::bigint >= {first_invoice}
    """).format(
        table=table,
        columns=SQL(", ").join(map(Identifier, kinds)),
        values=SQL(", ").join(values),
        first=Literal(copies.start),
        last=Literal(copies.stop - 1),
        key=Identifier(key),
        invoices=Literal(originals.invoices),
        first_invoice=Literal(FIRST),
        issued_on=Literal(originals.issued_on),
        days=Literal(DAYS),
    )


def _value(column: Identifier, name: str, kind: str) -> Composed:
    match kind:
        case _ if name == "place":
            text = "{column} - (copy::bigint + 1) * {places}"
        case "uuid":
            text = "md5({column}::text || copy)::uuid"
        case "bytea":
            text = (
                "decode(replace(encode({column}, 'hex'), encode(convert_to(d.own, 'UTF8'), 'hex'),"
                " encode(convert_to(d.fresh, 'UTF8'), 'hex')), 'hex')"
            )
        case "text" | "json" | "date":
            text = "replace(replace({column}::text, d.own, d.fresh), d.day, d.earlier)::{kind}"
        case _:
            text = "{column}"
    return SQL(text).format(column=column, kind=SQL(kind), places=Literal(_PLACES))  # pyright: ignore[reportArgumentType] - literals alone

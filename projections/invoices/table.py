"""The table of the list. Its order is the day of issue, newest first, and then the number: neither ever changes."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.sql import SQL, Identifier

from events.catalogue import json_of
from events.status import InvoiceStatus
from projections.engine.read_model import SCHEMA, Cur, about
from projections.invoices.fold import IssuedPart, Line

_CREATE = """
    create table {table} (
        invoice_number text collate "C" primary key,
        reversed_number text collate "C" not null generated always as (reverse(invoice_number)) stored,
        account_id text not null,
        issued_on date not null,
        status text not null,
        version integer not null,
        issued json not null, -- what never changes
        document json not null -- the status document
    ) with (fillfactor = 80)
"""
_INDEXES = (
    "issued_on desc, invoice_number desc",
    "account_id, issued_on desc, invoice_number desc",
    "status, issued_on desc, invoice_number desc",
    "account_id, status, issued_on desc, invoice_number desc",
    "reversed_number",
)
_LOAD = "select invoice_number, issued::text, document::text from {table} where invoice_number = any(%b)"
_WRITE = """
    insert into {table} as t (invoice_number, account_id, issued_on, status, version, issued, document)
    select n, a, o, s, v, i::json, d::json
    from unnest(%b::text[], %b::text[], %b::date[], %b::text[], %b::int[], %b::text[], %b::text[])
        as written (n, a, o, s, v, i, d)
    on conflict (invoice_number) do update
        set status = excluded.status, version = excluded.version, document = excluded.document
        where excluded.version > t.version
"""


@dataclass(frozen=True, slots=True)
class InvoicesTable:
    """The lines, in one table of the schema ``projections``."""

    name: str = "invoices"

    def names(self) -> Sequence[str]:
        """Return its name."""
        return (self.name,)

    def create(self, cur: Cur) -> None:
        """Create the table."""
        cur.execute(about(self.name, _CREATE))

    def index(self, cur: Cur) -> None:
        """Create an index for every way in which the list can be asked for."""
        for columns in _INDEXES:
            cur.execute(SQL("create index on {} ({})").format(Identifier(SCHEMA, self.name), SQL(columns)))

    def ask(self, cur: Cur, numbers: Sequence[str]) -> None:
        """Ask for the lines of these invoices."""
        cur.execute(about(self.name, _LOAD), (numbers,))

    def rows(self, answer: Cur) -> dict[str, Line]:
        """Return the lines that were asked for, by number."""
        return {
            number: Line(IssuedPart.model_validate_json(issued), InvoiceStatus.model_validate_json(document))
            for number, issued, document in answer
        }

    def write(self, cur: Cur, rows: Sequence[Line]) -> None:
        """Insert or replace the lines that are newer than what is there."""
        columns = (
            [row.status.invoice_number for row in rows],
            [row.status.account_id for row in rows],
            [row.issued.issued_on for row in rows],
            [row.status.status.code for row in rows],
            [row.status.version for row in rows],
            [json_of(row.issued).decode() for row in rows],
            [json_of(row.status).decode() for row in rows],
        )
        cur.execute(about(self.name, _WRITE), columns)

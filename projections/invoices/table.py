"""The table of the list. Its order is the day of issue, newest first, and then the number: neither ever changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from psycopg.sql import SQL, Identifier

from events.catalogue import json_of
from events.invoice_events import InvoiceIssued
from events.status import InvoiceStatus
from projections.engine.folding import Changed
from projections.engine.read_model import SCHEMA, Cur, about
from projections.invoices.fold import issued_part

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
    "status, issued_on desc, invoice_number desc",
    "account_id, status, issued_on desc, invoice_number desc",
    "reversed_number",
)
_LOAD = "select invoice_number, document::text from {table} where invoice_number = any(%b)"
_INSERT = """
    insert into {table} (invoice_number, account_id, issued_on, status, version, issued, document)
    select n, a, o, s, v, i::json, d::json
    from unnest(%b::text[], %b::text[], %b::date[], %b::text[], %b::int[], %b::text[], %b::text[])
        as begun (n, a, o, s, v, i, d)
"""
_UPDATE = """
    update {table} set status = s, version = v, document = d::json
    from unnest(%b::text[], %b::text[], %b::int[], %b::text[]) as written (n, s, v, d)
    where invoice_number = n and version < v
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
        """Create the indexes: every way in which the list can be asked for has one."""
        for columns in _INDEXES:
            cur.execute(SQL("create index on {} ({})").format(Identifier(SCHEMA, self.name), SQL(columns)))

    def ask(self, cur: Cur, numbers: Sequence[str]) -> None:
        """Ask for the lines of these invoices."""
        cur.execute(about(self.name, _LOAD), (numbers,))

    def rows(self, answer: Cur) -> dict[str, InvoiceStatus]:
        """Return what changes of the lines that were asked for, by number."""
        return {number: InvoiceStatus.model_validate_json(document) for number, document in answer.fetchall()}

    def insert(self, cur: Cur, begun: Sequence[Changed[InvoiceStatus]]) -> None:
        """Insert lines that are not there yet."""
        issued = [cast("InvoiceIssued", first.event) for _, first, *_ in begun]  # the fold lets nothing else begin
        columns = (
            [row.invoice_number for row, *_ in begun],
            [row.account_id for row, *_ in begun],
            [event.issued_on for event in issued],
            [row.status.code for row, *_ in begun],
            [row.version for row, *_ in begun],
            [json_of(issued_part(event)).decode() for event in issued],
            [json_of(row).decode() for row, *_ in begun],
        )
        cur.execute(about(self.name, _INSERT), columns)

    def update(self, cur: Cur, rows: Sequence[InvoiceStatus]) -> None:
        """Replace what changes of the lines that are older than these."""
        columns = (
            [row.invoice_number for row in rows],
            [row.status.code for row in rows],
            [row.version for row in rows],
            [json_of(row).decode() for row in rows],
        )
        cur.execute(about(self.name, _UPDATE), columns)

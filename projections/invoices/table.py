"""The tables of the list: where each invoice stands, which changes, and beside it what was issued, which never does.

A search for a buyer or for digits looks at what was issued, in indexes that are written once. An index on where an
invoice stands is written at each step of its return, so there are only four, and every one serves several filters: it
includes most of what else is filtered by, so that most searches read few rows but those that they show.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import LiteralString, cast

from psycopg.sql import SQL, Identifier

from events.catalogue import json_of
from events.invoice_events import InvoiceIssued
from events.status import InvoiceStatus
from projections.engine.folding import Changed
from projections.engine.read_model import SCHEMA, Cur, about
from projections.engine.sharing import text_of
from projections.invoices.fold import issued_part
from projections.invoices.standing import due_latest_of, standing_of
from projections.status.table import size_of_status

_CREATE = """
    create table {table} (
        invoice_number text collate "C" not null,
        account_id text collate "C" not null, -- ids that begin alike are next to each other
        kind text not null,
        issued_on date not null,
        total_amount numeric not null,
        standing text not null,
        posting_status text not null,
        due_latest timestamptz, -- of a return in progress
        version integer not null,
        document json not null, -- the status document
        primary key (invoice_number) include (standing, posting_status, account_id, due_latest)
    ) with (fillfactor = 80)
"""
_CREATE_ISSUED = """
    create table {table} (
        invoice_number text collate "C" primary key,
        kind text not null,
        issued_on date not null,
        total_amount numeric not null,
        buyer_name text collate "C" not null, -- in folded case
        buyer_tax_id text collate "C", -- in capitals
        issued json not null
    )
"""
_INDEXES: tuple[LiteralString, ...] = (
    "standing, posting_status, kind, issued_on desc, invoice_number desc) include (total_amount",
    "account_id, standing, issued_on desc, invoice_number desc) include (total_amount, kind, posting_status",
    "total_amount, invoice_number) include (issued_on, standing, posting_status, kind, account_id",
    """due_latest, invoice_number) include (standing, posting_status, kind, issued_on, total_amount, account_id)
    where (due_latest is not null""",
)
_ISSUED_INDEXES: tuple[LiteralString, ...] = (
    "issued_on desc, invoice_number desc) include (total_amount, kind",
    "buyer_name) include (issued_on, invoice_number, total_amount, kind",
    "buyer_tax_id, issued_on desc, invoice_number desc) include (total_amount, kind",
    "reverse(invoice_number)",
)
_LOAD = "select invoice_number, document::text from {table} where invoice_number = any(%b)"
_INSERT = """
    insert into {table} (
        invoice_number, account_id, kind, issued_on, total_amount, standing, posting_status, due_latest, version,
        document
    )
    select n, a, k, o, t, s, p, l, v, d::json
    from unnest(
        %b::text[], %b::text[], %b::text[], %b::date[], %b::numeric[], %b::text[], %b::text[], %b::timestamptz[],
        %b::int[], %b::text[]
    ) as begun (n, a, k, o, t, s, p, l, v, d)
"""
_INSERT_ISSUED = """
    insert into {table} (invoice_number, kind, issued_on, total_amount, buyer_name, buyer_tax_id, issued)
    select n, k, o, t, b, x, i::json
    from unnest(%b::text[], %b::text[], %b::date[], %b::numeric[], %b::text[], %b::text[], %b::text[])
        as begun (n, k, o, t, b, x, i)
"""
_UPDATE = """
    update {table} set standing = s, posting_status = p, due_latest = l, version = v, document = d::json
    from unnest(%b::text[], %b::text[], %b::text[], %b::timestamptz[], %b::int[], %b::text[])
        as written (n, s, p, l, v, d)
    where invoice_number = n and version < v
"""


@dataclass(frozen=True, slots=True)
class InvoicesTable:
    """The lines, in two tables of the schema ``projections``."""

    name: str = "invoices"

    def names(self) -> Sequence[str]:
        """Return the names of both tables."""
        return (self.name, self._issued)

    def create(self, cur: Cur) -> None:
        """Create both tables."""
        cur.execute(about(self.name, _CREATE))
        cur.execute(about(self._issued, _CREATE_ISSUED))

    def index(self, cur: Cur) -> None:
        """Create the indexes: every way in which the list can be asked for has one."""
        for table, indexes in ((self.name, _INDEXES), (self._issued, _ISSUED_INDEXES)):
            for columns in indexes:
                cur.execute(SQL("create index on {} ({})").format(Identifier(SCHEMA, table), SQL(columns)))

    def ask(self, cur: Cur, numbers: Sequence[str]) -> None:
        """Ask for what changes of the lines of these invoices."""
        cur.execute(about(self.name, _LOAD), (numbers,))

    def rows(self, answer: Cur) -> dict[str, InvoiceStatus]:
        """Return what changes of the lines that were asked for, by number."""
        return {number: InvoiceStatus.model_validate_json(document) for number, document in answer.fetchall()}

    def size_of(self, row: InvoiceStatus) -> int:
        """Return about how many bytes of memory what changes of a line takes."""
        return size_of_status(row)

    def insert(self, cur: Cur, begun: Sequence[Changed[InvoiceStatus]]) -> None:
        """Insert lines that are not there yet."""
        issued = [cast("InvoiceIssued", first.event) for _, first, *_ in begun]  # the fold lets nothing else begin
        self._insert_issued(cur, issued)
        columns = (
            [row.invoice_number for row, *_ in begun],
            [row.account_id for row, *_ in begun],
            [event.kind for event in issued],
            [event.issued_on for event in issued],
            [event.total_amount for event in issued],
            [standing_of(row) for row, *_ in begun],
            [row.posting_status for row, *_ in begun],
            [due_latest_of(row) for row, *_ in begun],
            [row.version for row, *_ in begun],
            [text_of(row) for row, *_ in begun],
        )
        cur.execute(about(self.name, _INSERT), columns)

    def update(self, cur: Cur, changed: Sequence[Changed[InvoiceStatus]]) -> None:
        """Replace what changes of the lines that are older than these."""
        columns = (
            [row.invoice_number for row, *_ in changed],
            [standing_of(row) for row, *_ in changed],
            [row.posting_status for row, *_ in changed],
            [due_latest_of(row) for row, *_ in changed],
            [row.version for row, *_ in changed],
            [text_of(row) for row, *_ in changed],
        )
        cur.execute(about(self.name, _UPDATE), columns)

    def _insert_issued(self, cur: Cur, issued: Sequence[InvoiceIssued]) -> None:
        columns = (
            [event.invoice_number for event in issued],
            [event.kind for event in issued],
            [event.issued_on for event in issued],
            [event.total_amount for event in issued],
            [event.buyer.name.casefold() for event in issued],
            [event.buyer.tax_id and event.buyer.tax_id.upper() for event in issued],
            [json_of(issued_part(event)).decode() for event in issued],
        )
        cur.execute(about(self._issued, _INSERT_ISSUED), columns)

    @property
    def _issued(self) -> str:
        return f"{self.name}_issued"

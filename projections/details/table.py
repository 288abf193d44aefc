"""The table of the details read model. Its name is a parameter: a rebuild fills another one beside the live one."""

from collections.abc import Sequence
from dataclasses import dataclass

from events.catalogue import json_of
from projections.details.row import DetailsRow, Sequel
from projections.engine.read_model import Cur, about

_CREATE = """
    create table {table} (
        invoice_number text collate "C" primary key,
        version integer not null,
        account_id text not null,
        invoice json not null, -- the body of InvoiceIssued
        sequel json not null -- the rest of the answer
    ) with (fillfactor = 70) -- each row is written again a few times within days
"""
_LOAD = "select invoice_number, invoice::text, sequel::text from {table} where invoice_number = any(%b)"
# The invoice never changes, so it is not set again: a long one stays where it is.
_WRITE = """
    insert into {table} as t (invoice_number, version, account_id, invoice, sequel)
    select n, v, a, i::json, s::json
    from unnest(%b::text[], %b::int[], %b::text[], %b::text[], %b::text[]) as written (n, v, a, i, s)
    on conflict (invoice_number) do update
        set version = excluded.version, sequel = excluded.sequel
        where excluded.version > t.version
"""


@dataclass(frozen=True, slots=True)
class DetailsTable:
    """The rows of the details read model, in one table of the schema ``projections``."""

    name: str = "details"

    def names(self) -> Sequence[str]:
        """Return its name."""
        return (self.name,)

    def create(self, cur: Cur) -> None:
        """Create the table."""
        cur.execute(about(self.name, _CREATE))

    def index(self, cur: Cur) -> None:
        """Create nothing: its queries use the primary key."""

    def ask(self, cur: Cur, numbers: Sequence[str]) -> None:
        """Ask for the rows of these invoices."""
        cur.execute(about(self.name, _LOAD), (numbers,))

    def rows(self, answer: Cur) -> dict[str, DetailsRow]:
        """Return the rows that were asked for, by number."""
        return {number: DetailsRow(invoice, Sequel.model_validate_json(sequel)) for number, invoice, sequel in answer}

    def write(self, cur: Cur, rows: Sequence[DetailsRow]) -> None:
        """Insert or replace the rows that are newer than what is there."""
        columns = (
            [row.sequel.status.invoice_number for row in rows],
            [row.sequel.version for row in rows],
            [row.sequel.status.account_id for row in rows],
            [row.invoice for row in rows],
            [json_of(row.sequel).decode() for row in rows],
        )
        cur.execute(about(self.name, _WRITE), columns)

"""The table of the details read model. Its name is a parameter: a rebuild fills another one beside the live one."""

from collections.abc import Sequence
from dataclasses import dataclass

from events.catalogue import json_of
from projections.details.row import Sequel
from projections.engine.folding import Changed
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
_LOAD = "select invoice_number, sequel::text from {table} where invoice_number = any(%b)"
_INSERT = """
    insert into {table} (invoice_number, version, account_id, invoice, sequel)
    select n, v, a, i::json, s::json
    from unnest(%b::text[], %b::int[], %b::text[], %b::text[], %b::text[]) as begun (n, v, a, i, s)
"""
_UPDATE = """
    update {table} set version = v, sequel = s::json
    from unnest(%b::text[], %b::int[], %b::text[]) as written (n, v, s) where invoice_number = n and version < v
"""

_BYTES_OF_SEQUEL, _BYTES_OF_CHARACTER = 1000, 8


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

    def rows(self, answer: Cur) -> dict[str, Sequel]:
        """Return the rows that were asked for, by number."""
        return {number: Sequel.model_validate_json(sequel) for number, sequel in answer.fetchall()}

    def size_of(self, row: Sequel) -> int:
        """Return about how many bytes of memory a row takes: a usual one, or one of any length."""
        if row.status.last_refusal is None and not row.reissues:
            return _BYTES_OF_SEQUEL
        return _BYTES_OF_SEQUEL + _BYTES_OF_CHARACTER * len(json_of(row))

    def insert(self, cur: Cur, begun: Sequence[Changed[Sequel]]) -> None:
        """Insert rows that are not there yet."""
        columns = (
            [row.status.invoice_number for row, *_ in begun],
            [row.version for row, *_ in begun],
            [row.status.account_id for row, *_ in begun],
            [issued.body_today.decode() for _, issued, *_ in begun],
            [json_of(row).decode() for row, *_ in begun],
        )
        cur.execute(about(self.name, _INSERT), columns)

    def update(self, cur: Cur, changed: Sequence[Changed[Sequel]]) -> None:
        """Replace the rows that are older than these."""
        columns = (
            [row.status.invoice_number for row, *_ in changed],
            [row.version for row, *_ in changed],
            [json_of(row).decode() for row, *_ in changed],
        )
        cur.execute(about(self.name, _UPDATE), columns)

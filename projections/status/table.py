"""The table of the status read model. Its name is a parameter: a rebuild fills another one beside the live one."""

from collections.abc import Sequence
from dataclasses import dataclass

from events.catalogue import json_of
from events.status import InvoiceStatus
from projections.engine.folding import Changed
from projections.engine.read_model import Cur, about
from projections.engine.sharing import text_of

_CREATE = """
    create table {table} (
        invoice_number text collate "C" primary key,
        version integer not null,
        account_id text not null,
        document json not null -- not jsonb: kept and served byte for byte, and SQL can still look into it
    ) with (fillfactor = 70) -- each row is written again a few times within days
"""
_LOAD = "select invoice_number, document::text from {table} where invoice_number = any(%b)"
_INSERT = """
    insert into {table} (invoice_number, version, account_id, document)
    select n, v, a, d::json from unnest(%b::text[], %b::int[], %b::text[], %b::text[]) as begun (n, v, a, d)
"""
_UPDATE = """
    update {table} set version = v, document = d::json
    from unnest(%b::text[], %b::int[], %b::text[]) as written (n, v, d) where invoice_number = n and version < v
"""

_BYTES_OF_STATUS, _BYTES_OF_CHARACTER = 800, 8


def size_of_status(row: InvoiceStatus) -> int:
    """Return about how many bytes of memory a status document takes: a usual one, or one of any length."""
    if row.last_refusal is None and not row.replacement_numbers:
        return _BYTES_OF_STATUS
    return _BYTES_OF_STATUS + _BYTES_OF_CHARACTER * len(json_of(row))


@dataclass(frozen=True, slots=True)
class StatusTable:
    """The rows of the status read model, in one table of the schema ``projections``."""

    name: str = "status"

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

    def rows(self, answer: Cur) -> dict[str, InvoiceStatus]:
        """Return the rows that were asked for, by number."""
        return {number: InvoiceStatus.model_validate_json(document) for number, document in answer.fetchall()}

    def size_of(self, row: InvoiceStatus) -> int:
        """Return about how many bytes of memory a row takes."""
        return size_of_status(row)

    def insert(self, cur: Cur, begun: Sequence[Changed[InvoiceStatus]]) -> None:
        """Insert rows that are not there yet."""
        columns = (
            [row.invoice_number for row, *_ in begun],
            [row.version for row, *_ in begun],
            [row.account_id for row, *_ in begun],
            [text_of(row) for row, *_ in begun],
        )
        cur.execute(about(self.name, _INSERT), columns)

    def update(self, cur: Cur, changed: Sequence[Changed[InvoiceStatus]]) -> None:
        """Replace the rows that are older than these."""
        columns = (
            [row.invoice_number for row, *_ in changed],
            [row.version for row, *_ in changed],
            [text_of(row) for row, *_ in changed],
        )
        cur.execute(about(self.name, _UPDATE), columns)

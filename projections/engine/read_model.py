"""What a read model is: tables, and how a batch of records changes them in the caller's transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, LiteralString, Protocol

from psycopg import Cursor
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Composed, Identifier

from projections.engine.folding import Changed, Fold, Row, fold_batch, numbers
from transport.records import KafkaRecord

SCHEMA = "projections"

Cur = Cursor[TupleRow]


class ReadModel(Protocol):
    """The tables of a read model, and how records change them."""

    def names(self) -> Sequence[str]:
        """Return the names of its tables in the schema ``projections``."""
        ...

    def create(self, cur: Cur) -> None:
        """Create its tables, empty and without any index but the primary keys."""
        ...

    def index(self, cur: Cur) -> None:
        """Create the indexes that its queries use."""
        ...

    def project(self, cur: Cur, records: Sequence[KafkaRecord]) -> None:
        """Change the tables as the records say. Repeats change nothing.

        Raises: NotAnEvent, VersionGap.
        """
        ...


class Table(Protocol[Row]):
    """Where one row per invoice is kept. Loading and writing take few statements, however many rows there are."""

    def names(self) -> Sequence[str]:
        """Return the names of its tables in the schema ``projections``."""
        ...

    def create(self, cur: Cur) -> None:
        """Create it, empty and without any index but the primary keys."""
        ...

    def index(self, cur: Cur) -> None:
        """Create the indexes that its queries use."""
        ...

    def load(self, cur: Cur, numbers: Sequence[str]) -> dict[str, Row]:
        """Return the rows of these invoices by number; there is none for an invoice not seen before."""
        ...

    def write(self, cur: Cur, rows: Sequence[Row]) -> None:
        """Insert or replace the rows. One that is not newer than what is there is left out."""
        ...


Announce = Callable[[Cur, Sequence[Changed[Row]]], None]
"""Called with the changed rows, within the transaction."""


def silent(_cur: Cur, _changed: Sequence[Changed[Row]]) -> None:
    """Announce nothing."""


@dataclass(frozen=True, slots=True)
class Folded(Generic[Row]):
    """A read model that is a pure fold of the events of each invoice: loaded, folded and written once per batch."""

    fold: Fold[Row]
    table: Table[Row]
    announce: Announce[Row] = silent

    def names(self) -> Sequence[str]:
        """Return the names of its tables."""
        return self.table.names()

    def create(self, cur: Cur) -> None:
        """Create its table."""
        self.table.create(cur)

    def index(self, cur: Cur) -> None:
        """Create its indexes."""
        self.table.index(cur)

    def project(self, cur: Cur, records: Sequence[KafkaRecord]) -> None:
        """Fold the records into the rows. Raises: NotAnEvent, VersionGap."""
        rows = self.table.load(cur, numbers(records))
        changed = fold_batch(self.fold, rows, records)
        if changed:
            self.table.write(cur, [row for row, _ in changed])
            self.announce(cur, changed)


def about(table: str, statement: LiteralString) -> Composed:
    """Put the name of a table into a statement, where it says ``{table}``."""
    return SQL(statement).format(table=Identifier(SCHEMA, table))


def is_there(cur: Cur, table: str) -> bool:
    """Return whether a table exists."""
    cur.execute("select to_regclass(%s) is not null", (f'{SCHEMA}."{table}"',))
    return bool((cur.fetchone() or (False,))[0])

"""What a read model is: tables, and how a batch of records changes them in the caller's transaction."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, LiteralString, Protocol

from psycopg import Cursor
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Composed, Identifier

from projections.engine.folding import Changed, EventsByInvoice, Fold, Row, by_invoice, fold_batch, read
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


WriteRows = Callable[[Cur], None]
"""Writes the rows that a batch has changed."""


class EventModel(ReadModel, Protocol):
    """A read model of `invoice.events`, in steps: several share the reading of events, and round trips."""

    def ask(self, cur: Cur, numbers: Sequence[str]) -> None:
        """Ask for what is stored of these invoices; the cursor then holds the answer."""
        ...

    def rows(self, answer: Cur) -> dict[str, Any]:
        """Return what was asked for, by number; an invoice not seen before has nothing."""
        ...

    def size_of(self, row: Any) -> int:  # noqa: ANN401 - whatever its rows are
        """Return about how many bytes of memory a row takes."""
        ...

    def fold(self, rows: dict[str, Any], events: EventsByInvoice) -> WriteRows:
        """Fold the events into the rows, and return what writes those that they change. Raises: VersionGap."""
        ...


def project(model: EventModel, cur: Cur, records: Sequence[KafkaRecord]) -> None:
    """Take the steps one after the other. Raises: NotAnEvent, VersionGap."""
    events = by_invoice(map(read, records))
    model.ask(cur, list(events))
    model.fold(model.rows(cur), events)(cur)


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

    def ask(self, cur: Cur, numbers: Sequence[str]) -> None:
        """Ask for the rows of these invoices."""
        ...

    def rows(self, answer: Cur) -> dict[str, Row]:
        """Return what was asked for, by number; an invoice not seen before has no row."""
        ...

    def size_of(self, row: Row) -> int:
        """Return about how many bytes of memory a row takes."""
        ...

    def insert(self, cur: Cur, begun: Sequence[Changed[Row]]) -> None:
        """Insert rows that are not there yet."""
        ...

    def update(self, cur: Cur, changed: Sequence[Changed[Row]]) -> None:
        """Replace rows. One that is not newer than what is there is left out."""
        ...


Announce = Callable[[Cur, Sequence[Changed[Row]]], None]
"""Called with the changed rows, within the transaction."""


def silent(_cur: Cur, _changed: Sequence[Changed[Row]]) -> None:
    """Announce nothing."""


@dataclass(frozen=True, slots=True)
class Folded(Generic[Row]):
    """A read model that is a pure fold of the events of each invoice: loaded, folded and written once per batch."""

    by: Fold[Row]
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
        project(self, cur, records)

    def ask(self, cur: Cur, numbers: Sequence[str]) -> None:
        """Ask for the rows of these invoices."""
        self.table.ask(cur, numbers)

    def rows(self, answer: Cur) -> dict[str, Row]:
        """Return the rows that were asked for, by number."""
        return self.table.rows(answer)

    def size_of(self, row: Row) -> int:
        """Return about how many bytes of memory a row takes."""
        return self.table.size_of(row)

    def fold(self, rows: dict[str, Row], events: EventsByInvoice) -> WriteRows:
        """Fold the events into the rows. Raises: VersionGap."""
        changed = fold_batch(self.by, rows, events)

        def write(cur: Cur) -> None:
            if begun := [one for one in changed if one.before is None]:
                self.table.insert(cur, begun)
            if further := [one for one in changed if one.before is not None]:
                self.table.update(cur, further)
            if changed:
                self.announce(cur, changed)

        return write


@cache
def about(table: str, statement: LiteralString) -> Composed:
    """Put the name of a table into a statement, where it says ``{table}``."""
    return SQL(statement).format(table=Identifier(SCHEMA, table))


def is_there(cur: Cur, table: str) -> bool:
    """Return whether a table exists."""
    cur.execute("select to_regclass(%s) is not null", (f'{SCHEMA}."{table}"',))
    return bool((cur.fetchone() or (False,))[0])

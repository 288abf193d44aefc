"""Where the items of invoices are kept."""

from collections.abc import Mapping, Sequence
from typing import Generic, LiteralString

from psycopg.sql import SQL, Composed, Identifier

from projections.engine.folding import Changed
from projections.engine.items import Item, Items
from projections.engine.read_model import SCHEMA, Cur

_BYTES_OF_ITEM = 300


class ItemsTable(Generic[Item]):
    """A table of items, and one beside it with the version that each invoice has reached.

    columns: each field of the item with its SQL type, the key first. indexes: column lists.
    """

    def __init__(
        self, name: str, item: type[Item], columns: Mapping[str, LiteralString], indexes: Sequence[LiteralString]
    ) -> None:
        self._name = name
        self._item = item
        self._columns = columns
        self._indexes = indexes
        self._statements: dict[LiteralString, bytes] = {}

    def names(self) -> Sequence[str]:
        """Return the names of both tables."""
        return (self._name, f"{self._name}_invoices")

    def create(self, cur: Cur) -> None:
        """Create both tables."""
        cur.execute(self._sql(_CREATE_INVOICES))
        cur.execute(self._sql(_CREATE_ITEMS))

    def index(self, cur: Cur) -> None:
        """Create the indexes."""
        for columns in self._indexes:
            cur.execute(SQL("create index on {} ({})").format(Identifier(SCHEMA, self._name), SQL(columns)))

    def ask(self, cur: Cur, numbers: Sequence[str]) -> None:
        """Ask for the items of these invoices."""
        cur.execute(self._sql(_LOAD), (numbers,))

    def rows(self, answer: Cur) -> dict[str, Items[Item]]:
        """Return the items that were asked for, by number of the invoice."""
        found: dict[str, Items[Item]] = {}
        for number, account_id, version, key, *rest in answer.fetchall():
            known = found.setdefault(number, Items(number, account_id, version, dict[str, Item]()))
            if key is not None:
                known.items[key] = self._item(key, *rest)  # type: ignore[index] - still the dict made above
        return found

    def size_of(self, row: Items[Item]) -> int:
        """Return about how many bytes of memory the items of an invoice take."""
        return _BYTES_OF_ITEM * (1 + len(row.items))

    def insert(self, cur: Cur, begun: Sequence[Changed[Items[Item]]]) -> None:
        """Insert the versions and items of invoices that have none yet."""
        rows = [one.row for one in begun]
        columns = (
            [row.invoice_number for row in rows],
            [row.account_id for row in rows],
            [row.version for row in rows],
        )
        cur.execute(self._sql(_INSERT_INVOICES), columns)
        self._write(cur, _INSERT_ITEMS, begun)

    def update(self, cur: Cur, changed: Sequence[Changed[Items[Item]]]) -> None:
        """Write the versions, and the items that have changed."""
        columns = ([one.row.invoice_number for one in changed], [one.row.version for one in changed])
        cur.execute(self._sql(_UPDATE_INVOICES), columns)
        self._write(cur, _WRITE_ITEMS, changed)

    def _write(self, cur: Cur, statement: LiteralString, changed: Sequence[Changed[Items[Item]]]) -> None:
        items = [
            (row.invoice_number, row.account_id, *item) for row, *_, before in changed for item in row.since(before)
        ]
        if items:
            cur.execute(self._sql(statement), [list(column) for column in zip(*items, strict=True)])

    def _sql(self, statement: LiteralString) -> bytes:
        """Put the names of the tables and columns into a statement, which is composed once."""
        if statement not in self._statements:
            self._statements[statement] = self._composed(statement).as_bytes()
        return self._statements[statement]

    def _composed(self, statement: LiteralString) -> Composed:
        key, *rest = self._columns
        return SQL(statement).format(
            items=Identifier(SCHEMA, self._name),
            invoices=Identifier(SCHEMA, f"{self._name}_invoices"),
            key=Identifier(key),
            columns=SQL(", ").join(map(Identifier, self._columns)),
            typed=SQL(", ").join(SQL("{} {}").format(Identifier(c), SQL(t)) for c, t in self._columns.items()),
            arrays=SQL(", ").join(
                SQL("%b::{}[]").format(SQL(kind.partition(" ")[0])) for kind in self._columns.values()
            ),
            qualified=SQL(", ").join(SQL("i.{}").format(Identifier(column)) for column in self._columns),
            updates=SQL(", ").join(SQL("{0} = excluded.{0}").format(Identifier(column)) for column in rest),
        )


_CREATE_INVOICES: LiteralString = """
    create table {invoices} (
        invoice_number text collate "C" primary key, account_id text not null, version integer not null
    )
"""
_CREATE_ITEMS: LiteralString = """
    create table {items} (
        invoice_number text collate "C" not null, account_id text not null, {typed}, primary key (invoice_number, {key})
    )
"""
_LOAD: LiteralString = """
    select v.invoice_number, v.account_id, v.version, {qualified}
    from {invoices} as v left join {items} as i using (invoice_number) where v.invoice_number = any(%b)
"""
_INSERT_INVOICES: LiteralString = """
    insert into {invoices} (invoice_number, account_id, version) select * from unnest(%b::text[], %b::text[], %b::int[])
"""
_UPDATE_INVOICES: LiteralString = """
    update {invoices} set version = v from unnest(%b::text[], %b::int[]) as written (n, v)
    where invoice_number = n and version < v
"""
_INSERT_ITEMS: LiteralString = """
    insert into {items} (invoice_number, account_id, {columns}) select * from unnest(%b::text[], %b::text[], {arrays})
"""
_WRITE_ITEMS: LiteralString = """
    insert into {items} (invoice_number, account_id, {columns})
    select * from unnest(%b::text[], %b::text[], {arrays})
    on conflict (invoice_number, {key}) do update set {updates}
"""

"""Where the items of invoices are kept."""

from collections.abc import Mapping, Sequence
from typing import Generic, LiteralString

from psycopg.sql import SQL, Composed, Identifier

from projections.engine.items import Item, Items
from projections.engine.read_model import SCHEMA, Cur


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
        for number, account_id, version, key, *rest in answer:
            known = found.setdefault(number, Items(number, account_id, version, dict[str, Item]()))
            if key is not None:
                known.items[key] = self._item(key, *rest)  # type: ignore[index] - still the dict made above
        return found

    def write(self, cur: Cur, rows: Sequence[Items[Item]]) -> None:
        """Write the versions, and the items that have changed."""
        invoices = [[getattr(row, column) for row in rows] for column in ("invoice_number", "account_id", "version")]
        cur.execute(self._sql(_WRITE_INVOICES), invoices)
        items = [(row.invoice_number, row.account_id, *row.items[key]) for row in rows for key in sorted(row.changed)]
        if items:
            cur.execute(self._sql(_WRITE_ITEMS), [list(column) for column in zip(*items, strict=True)])

    def _sql(self, statement: LiteralString) -> Composed:
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
_WRITE_INVOICES: LiteralString = """
    insert into {invoices} as v (invoice_number, account_id, version)
    select * from unnest(%b::text[], %b::text[], %b::int[])
    on conflict (invoice_number) do update set version = excluded.version where excluded.version > v.version
"""
_WRITE_ITEMS: LiteralString = """
    insert into {items} (invoice_number, account_id, {columns})
    select * from unnest(%b::text[], %b::text[], {arrays})
    on conflict (invoice_number, {key}) do update set {updates}
"""

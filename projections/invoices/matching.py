"""Selects of the invoices that match a filter: the number of each, and ``key``, what the list is sorted by.

Each reads indexes, which include most of what it filters by. `in_turn` costs the same in a list of any length, for
filters and an order that an index of each standing has. Any other list is `collected` while few match, and then sorted.
Where many match it is `walked` in its order: then it does not go far to find a page.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any, Literal, LiteralString, NamedTuple

from psycopg.sql import SQL, Composable, Composed, Identifier

from projections.answers import owners
from projections.invoices.filters import EITHER, OF_INVOICE, OF_ISSUED, STANDS, STANDS_IN_TURN
from projections.paging import conditions

InvoiceSort = Literal["issued_on", "-issued_on", "total_amount", "-total_amount", "due_latest"]
SearchFacts = Mapping[str, Any]
"""Parameters of a select: those of the filter, ``limit``, ``most`` and, after a place, ``after_key`` and
``after_number``."""

_IN_TURN = SQL("""
    select line.invoice_number, line.key
    from unnest(%(standings)s::text[]) as one (standing) {turns} cross join lateral (
        select line.invoice_number, line.{column} as key from projections.invoices as line
        where {conditions} {order} limit %(limit)s
    ) as line
""")
_POSTINGS_AND_KINDS = SQL("""
    cross join unnest(%(posting_statuses)s::text[]) as posting (status)
    cross join unnest(%(kinds)s::text[]) as type (kind)
""")
_OF_POSTING_AND_KIND = SQL("line.posting_status = posting.status and line.kind = type.kind")
_PART = SQL("(select {base}.invoice_number, {key} as key from {tables} where {conditions} {end})")
_TABLES: Mapping[str, SQL] = {
    "line": SQL("projections.invoices as line"),
    "issued": SQL("projections.invoices_issued as issued"),
}
_BOTH = SQL("{} join {} using (invoice_number)")
_IS_DUE = SQL("line.due_latest is not null")
"""The condition of the index by due date."""
_AFTER = SQL("({key}, {base}.invoice_number) {than} (%(after_key)s, %(after_number)s)")


class Order(NamedTuple):
    """The order of a list: a column, and then the number."""

    column: str
    descending: bool

    @classmethod
    def of(cls, sort: InvoiceSort) -> "Order":
        """Return the order that a caller asks for."""
        return cls(sort.removeprefix("-"), sort.startswith("-"))

    @property
    def is_of_each_standing(self) -> bool:
        """Whether an index of each standing has it."""
        return self.column == "issued_on"

    def clause(self) -> Composed:
        """Return the clause that sorts the rows of a select of this module."""
        return SQL("order by key {way}, invoice_number {way}").format(way=SQL("desc" if self.descending else "asc"))


Matching = Callable[[SearchFacts, Order], Composed]
"""A select of this module."""


def in_turn(facts: SearchFacts, order: Order) -> Composed:
    """Return the first of each standing; of each type and posting status, too, or of each account."""
    everybody = facts["accounts"] is None
    own = [_OF_POSTING_AND_KIND] if everybody else []
    return _IN_TURN.format(
        turns=_POSTINGS_AND_KINDS if everybody else owners(facts["accounts"]),
        column=Identifier(order.column),
        conditions=SQL(" and ").join(
            [
                *own,
                *conditions(STANDS_IN_TURN, facts),
                *_of_invoice("line", facts),
                *_after("line", facts, order),
            ]
        ),
        order=order.clause(),
    )


def collected(facts: SearchFacts, order: Order) -> Composed:
    """Return ``most`` that match, in no order."""
    return SQL("select * from ({}) as matching limit %(most)s").format(_union(facts, order, SQL("limit %(most)s")))


def walked(facts: SearchFacts, order: Order) -> Composed:
    """Return the first that match."""
    base = "issued" if order.is_of_each_standing else "line"
    return _union(facts, order, order.clause() + SQL(" limit %(limit)s"), base)


def _union(facts: SearchFacts, order: Order, end: Composable, base: str | None = None) -> Composed:
    """Return those that match, each once. base: see `_part`."""
    pairs = [pair for parameter, pair in EITHER.items() if facts[parameter] is not None]
    return SQL(" union ").join([_part(facts, order, end, base, one_of_each) for one_of_each in product(*pairs)])


def _part(
    facts: SearchFacts, order: Order, end: Composable, base: str | None, one_of_each: Sequence[LiteralString]
) -> Composed:
    """Return those that match one of each pair of conditions.

    base: the table that says what both hold; None for the one that has an index for these conditions.
    """
    of_issued = any(OF_ISSUED in condition for condition in one_of_each)
    base = base or ("issued" if of_issued else "line")
    stands = conditions(STANDS, facts)
    other = stands or order.column == "due_latest" if base == "issued" else of_issued
    tables = [_TABLES[base], *(table for name, table in _TABLES.items() if other and name != base)]
    found_by = [
        *stands,
        *_of_invoice(base, facts),
        *(SQL(condition).format(table=Identifier(base)) for condition in one_of_each),
        *_after(base, facts, order),
    ]
    return _PART.format(
        base=Identifier(base),
        key=_key(base, order),
        tables=_BOTH.format(*tables) if other else tables[0],
        conditions=SQL(" and ").join([SQL("true"), *found_by]),
        end=end,
    )


def _of_invoice(base: str, facts: SearchFacts) -> Sequence[Composable]:
    return [condition.format(table=Identifier(base)) for condition in conditions(OF_INVOICE, facts)]


def _after(base: str, facts: SearchFacts, order: Order) -> Sequence[Composable]:
    due = [_IS_DUE] if order.column == "due_latest" else []
    if facts["after_number"] is None:
        return due
    than = SQL("<" if order.descending else ">")
    return [*due, _AFTER.format(key=_key(base, order), base=Identifier(base), than=than)]


def _key(base: str, order: Order) -> Identifier:
    return Identifier("line" if order.column == "due_latest" else base, order.column)

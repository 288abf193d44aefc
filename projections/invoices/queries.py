"""Pages of the list, and how many invoices match. Every query uses an index.

Without a search the list is read standing by standing, each in the order of an index, and merged: a page costs the same
wherever it is. A search, and the order of amounts, are planned anew each time, by how much each filter narrows; amounts
of work in progress are read from the index of its standings.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Composable, Composed, Identifier

from events.status import Action, InvoiceStatus, LastRefusal, Status
from events.values import (
    AccountId,
    Buyer,
    Day,
    Documents,
    InvoiceNumber,
    Kind,
    Message,
    Money,
    SeenPostingStatus,
    Time,
)
from projections.answers import OUT_OF_DATE_LINE, OutOfDate, owners
from projections.invoices.filters import ENDS, IN_TURN, STANDS, WAS_ISSUED, InvoiceFilter
from projections.invoices.fold import IssuedPart
from projections.invoices.standing import DUE, due_latest_of, standing_of
from projections.paging import Page, conditions, page_of

MAX_EXACT_COUNT = 10_000
"""Up to here matches are counted."""
InvoiceSort = Literal["issued_on", "-issued_on", "total_amount", "-total_amount", "due_latest"]
InvoicePlace = tuple[date | datetime | Decimal, str]
"""What an invoice is sorted by, and its number."""

_MODEL = "invoices"
_LINES = SQL("""
    select issued.issued::text, line.document::text, {} from projections.invoices as line
    join projections.invoices_issued as issued using (invoice_number) where line.invoice_number = any(%(numbers)s)
""").format(OUT_OF_DATE_LINE)
_ACCOUNTS = """
    with recursive of_index as (
        (select min(account_id) as account_id from projections.invoices where account_id >= %(begun)s)
        union all
        select (select min(account_id) from projections.invoices as line where line.account_id > of_index.account_id)
        from of_index where starts_with(of_index.account_id, %(begun)s)
    )
    select account_id from of_index where starts_with(account_id, %(begun)s) limit %(limit)s
"""
"""One account after the other, each found in the index."""
_PAGE = SQL("""
    with found as materialized (select {number} as invoice_number, {key} as key {matching} {order} limit %(limit)s)
    select issued.issued::text, line.document::text, {out_of_date} from found
    join projections.invoices as line using (invoice_number)
    join projections.invoices_issued as issued using (invoice_number)
    order by found.key {direction}, invoice_number {direction}
""")
_COUNT = SQL("select count(*) from (select {matching} limit %(limit)s) as counted")
_IN_TURN = SQL("""
    from unnest(%(standings)s::text[]) as one (standing) {turns} cross join lateral (
        select line.invoice_number, line.issued_on, line.total_amount from projections.invoices as line
        where {conditions} {order} limit %(limit)s
    ) as line
""")
_POSTINGS_AND_KINDS = SQL("""
    cross join unnest(%(posting_statuses)s::text[]) as posting (status)
    cross join unnest(%(kinds)s::text[]) as type (kind)
""")
_OF_POSTING_AND_KIND = SQL("line.posting_status = posting.status and line.kind = type.kind")
_SEARCHED = SQL("from projections.invoices_issued as issued {joined} where {conditions}")
_EITHER = SQL("from ((select {columns} {first} {end}) union (select {columns} {last} {end})) as {table}")
_JOINED = SQL("join projections.invoices as line using (invoice_number)")
_IS_DUE = SQL("line.due_latest is not null")
"""The condition of the index by due date."""
_ORDER = SQL("order by {key} {direction}, {number} {direction}")
_AFTER = SQL("({key}, {number}) {than} (%(after_key)s, %(after_number)s)")


class InvoiceLine(Message):
    """An invoice in the list. due_latest: while its return is in progress."""

    invoice_number: InvoiceNumber
    account_id: AccountId
    kind: Kind
    issued_on: Day
    status: Status
    posting_status: SeenPostingStatus
    buyer: Buyer
    net_amount: Money
    tax_amount: Money
    total_amount: Money
    actions: tuple[Action, ...]
    documents: Documents | None = None
    last_refusal: LastRefusal | None = None
    due_latest: Time | None = None
    overdue: bool
    out_of_date: OutOfDate | None = None


class MatchCount(Message):
    """How many invoices match. exact: whether these are all, and not only as many as are counted."""

    value: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Line:
    """An invoice in the list: what was issued, where it stands, and whether that is out of date."""

    issued: IssuedPart
    status: InvoiceStatus
    out_of_date: OutOfDate | None = None


@dataclass(frozen=True, slots=True)
class Cut:
    """Which part of the list: after a place in its order, and at most how many lines."""

    sort: InvoiceSort
    after: InvoicePlace | None
    limit: int


async def page(connection: AsyncConnection[TupleRow], wanted: InvoiceFilter, cut: Cut) -> Page[Line, InvoicePlace]:
    """Return a page. Sorted by due date, invoices that have none come last, the newest first."""
    lines = await (_by_due_date if cut.sort == "due_latest" else _lines)(connection, wanted, cut)
    return page_of(lines, cut.limit, lambda line: (_key(line, cut.sort), line.status.invoice_number))


async def count(connection: AsyncConnection[TupleRow], wanted: InvoiceFilter) -> MatchCount:
    """Return how many invoices match, up to `MAX_EXACT_COUNT`."""
    facts = {**wanted.facts(), "limit": MAX_EXACT_COUNT + 1}
    matching = _searched(facts) if wanted.searches else _in_turn(wanted, facts)
    found = await connection.execute(_COUNT.format(matching=matching), facts, prepare=False)
    (counted,) = await found.fetchone() or (0,)
    return MatchCount(value=min(counted, MAX_EXACT_COUNT), exact=counted <= MAX_EXACT_COUNT)


async def line_of(connection: AsyncConnection[TupleRow], invoice_number: str) -> Line | None:
    """Return the line of an invoice, or None for one not seen."""
    return (await lines_of(connection, [invoice_number])).get(invoice_number)


async def lines_of(connection: AsyncConnection[TupleRow], invoice_numbers: Sequence[str]) -> Mapping[str, Line]:
    """Return the lines of those invoices that were seen, by number."""
    found = await connection.execute(_LINES, {"model": _MODEL, "numbers": list(invoice_numbers)})
    lines = [_line(row) for row in await found.fetchall()]
    return {line.status.invoice_number: line for line in lines}


async def accounts(connection: AsyncConnection[TupleRow], begun: str, limit: int) -> Sequence[str]:
    """Return the first accounts with invoices whose ids begin so."""
    found = await connection.execute(_ACCOUNTS, {"begun": begun, "limit": limit})
    return [account for (account,) in await found.fetchall()]


async def _by_due_date(connection: AsyncConnection[TupleRow], wanted: InvoiceFilter, cut: Cut) -> list[Line]:
    past_those = cut.after is not None and not isinstance(cut.after[0], datetime)
    async with connection.transaction():
        # A return that begins between the two would be in neither, and one that ends in both.
        await connection.execute("set transaction isolation level repeatable read")
        lines = [] if past_those else await _lines(connection, wanted.only(DUE), cut)
        if len(lines) <= cut.limit:
            rest = Cut("-issued_on", cut.after if past_those else None, cut.limit - len(lines))
            lines += await _lines(connection, wanted.without(DUE), rest)
    return lines


async def _lines(connection: AsyncConnection[TupleRow], wanted: InvoiceFilter, cut: Cut) -> list[Line]:
    """Return the lines, and one more than the limit if there are more."""
    key, number = cut.after or (None, None)
    facts = {
        **wanted.facts(),
        "model": _MODEL,
        "after_key": key,
        "after_number": number,
        "limit": cut.limit + 1,
    }
    if cut.sort == "due_latest" and set(wanted.standings) == set(DUE):
        facts["some_standings"] = None  # the index by due date holds no others
    order = _order(wanted, cut.sort)
    after: list[Composable] = [_IS_DUE] if cut.sort == "due_latest" else []
    if cut.after:
        after.append(_AFTER.format(than=SQL("<" if order.descending else ">"), **order.names()))
    matching = _searched(facts, order, after) if order.searched else _in_turn(wanted, facts, order, after)
    statement = _PAGE.format(matching=matching, out_of_date=OUT_OF_DATE_LINE, order=order.clause(), **order.names())
    rows = await (await connection.execute(statement, facts, prepare=False)).fetchall()
    return [_line(row) for row in rows]


class _Order(NamedTuple):
    """The order of a list: a column, and the number. searched: whether no standing has an index for it."""

    table: str
    column: str
    descending: bool
    searched: bool

    def names(self) -> dict[str, Composable]:
        return {
            "key": SQL("{}").format(Identifier(self.table, self.column)),
            "number": SQL("{}").format(Identifier(self.table, "invoice_number")),
            "direction": SQL("desc" if self.descending else "asc"),
        }

    def clause(self) -> Composed:
        return _ORDER.format(**self.names())


def _order(wanted: InvoiceFilter, sort: InvoiceSort) -> _Order:
    column = sort.removeprefix("-")
    by_standing = column == "issued_on" or (column == "total_amount" and wanted.open)
    searched = wanted.searches or not by_standing
    table = "issued" if searched and column != "due_latest" else "line"
    return _Order(table, column, sort.startswith("-"), searched)


def _in_turn(
    wanted: InvoiceFilter, facts: Mapping[str, Any], order: _Order | None = None, after: Sequence[Composable] = ()
) -> Composed:
    """Return the matching invoices of each standing; of each type and posting status, too, or of each account."""
    everybody = wanted.accounts is None
    own = [_OF_POSTING_AND_KIND] if everybody else []
    return _IN_TURN.format(
        turns=_POSTINGS_AND_KINDS if everybody else owners(wanted.accounts),
        conditions=SQL(" and ").join([*own, *conditions(IN_TURN, facts), *after]),
        order=order.clause() if order else SQL(""),
    )


def _searched(facts: Mapping[str, Any], order: _Order | None = None, after: Sequence[Composable] = ()) -> Composed:
    """Return the matching invoices by what was issued; where they stand is looked at when it matters."""
    if facts["digits"] is None:
        return _matching(facts, order, after)
    # A condition with "or" has no index: those that begin so, and those that end so.
    first, last = (_matching(facts, order, [*after, SQL(end)]) for end in ENDS)
    columns = SQL("{number}, {key}").format(**order.names()) if order else SQL("issued.invoice_number")
    end = SQL("{} limit %(limit)s").format(order.clause() if order else SQL(""))
    return _EITHER.format(
        columns=columns, first=first, last=last, end=end, table=Identifier(order.table if order else "issued")
    )


def _matching(facts: Mapping[str, Any], order: _Order | None, after: Sequence[Composable]) -> Composed:
    stands = conditions(STANDS, facts)
    joined = stands or (order and order.table == "line")
    return _SEARCHED.format(
        joined=_JOINED if joined else SQL(""),
        conditions=SQL(" and ").join([SQL("true"), *stands, *conditions(WAS_ISSUED, facts), *after]),
    )


def _key(line: Line, sort: InvoiceSort) -> date | datetime | Decimal:
    if sort.endswith("total_amount"):
        return line.issued.total_amount
    due = due_latest_of(line.status) if sort == "due_latest" else None
    return due or line.issued.issued_on


def _line(row: TupleRow) -> Line:
    issued, document, out_of_date = row
    return Line(
        IssuedPart.model_validate_json(issued),
        InvoiceStatus.model_validate_json(document),
        OutOfDate.model_validate_json(out_of_date) if out_of_date else None,
    )


def as_served(line: Line) -> InvoiceLine:
    """Return a line as it is served."""
    issued, status = line.issued, line.status
    due = due_latest_of(status)
    return InvoiceLine(
        invoice_number=status.invoice_number,
        account_id=status.account_id,
        kind=issued.kind,
        issued_on=issued.issued_on,
        status=status.status,
        posting_status=status.posting_status,
        buyer=issued.buyer,
        net_amount=issued.net_amount,
        tax_amount=issued.tax_amount,
        total_amount=issued.total_amount,
        actions=status.actions,
        documents=issued.documents,
        last_refusal=status.last_refusal,
        due_latest=due,
        overdue=standing_of(status) == "overdue",
        out_of_date=line.out_of_date,
    )

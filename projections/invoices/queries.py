"""Pages of the list, and how many invoices match."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Composed

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
from projections.answers import OUT_OF_DATE_LINE, OutOfDate
from projections.invoices.filters import InvoiceFilter
from projections.invoices.fold import IssuedPart
from projections.invoices.matching import InvoiceSort, Matching, Order, SearchFacts, collected, in_turn, walked
from projections.invoices.standing import DUE, due_latest_of, standing_of
from projections.paging import Page, page_of

MAX_EXACT_COUNT = 10_000
"""Up to here matches are counted."""
InvoicePlace = tuple[date | datetime | Decimal, str]
"""What an invoice is sorted by, and its number."""

_FIRST: Mapping[str, None] = {"after_key": None, "after_number": None}
"""The parameters of a page that begins at no place."""
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
    with matching as materialized ({matching}),
    found as materialized (select * from matching {order} limit %(limit)s)
    select (select count(*) from matching), issued.issued::text, line.document::text, {out_of_date} from found
    join projections.invoices as line using (invoice_number)
    join projections.invoices_issued as issued using (invoice_number)
    {order}
""")
_COUNT = SQL("select count(*) from (select from ({matching}) as matching limit %(most)s) as counted")


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
    """Which part of the list: after a place in its order, and at most how many lines.

    goes_far: whether `goes_far` has said so of a place not more than `MAX_EXACT_COUNT` lines before.
    """

    sort: InvoiceSort
    after: InvoicePlace | None
    limit: int
    goes_far: bool = False


async def page(connection: AsyncConnection[TupleRow], wanted: InvoiceFilter, cut: Cut) -> Page[Line, InvoicePlace]:
    """Return a page. Sorted by due date, invoices that have none come last, the newest first."""
    lines = await (_by_due_date if cut.sort == "due_latest" else _lines)(connection, wanted, cut)
    return page_of(lines, cut.limit, lambda line: (_key(line, cut.sort), line.status.invoice_number))


async def count(connection: AsyncConnection[TupleRow], wanted: InvoiceFilter) -> MatchCount:
    """Return how many invoices match, up to `MAX_EXACT_COUNT`."""
    select = collected if wanted.searches else in_turn
    facts = {**wanted.facts(), **_FIRST, "most": MAX_EXACT_COUNT + 1, "limit": MAX_EXACT_COUNT + 1}
    counted = await _counted(connection, select(facts, Order.of("-issued_on")), facts)
    return MatchCount(value=min(counted, MAX_EXACT_COUNT), exact=counted <= MAX_EXACT_COUNT)


async def goes_far(connection: AsyncConnection[TupleRow], wanted: InvoiceFilter, cut: Cut) -> bool:
    """Return whether the list from a place on has to be walked: so many match that they cannot be collected."""
    order = Order.of(cut.sort)
    if cut.sort == "due_latest" or _is_in_turn(order, wanted):
        return False
    facts = _facts(wanted, cut)
    return await _counted(connection, collected(facts, order), facts) > MAX_EXACT_COUNT


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
    order = Order.of(cut.sort)
    facts = _facts(wanted, cut)
    if cut.sort == "due_latest" and set(wanted.standings) == set(DUE):
        facts["some_standings"] = None  # the index by due date holds no others

    async def rows(select: Matching) -> list[TupleRow]:
        matching = select(facts, order)
        statement = _PAGE.format(matching=matching, out_of_date=OUT_OF_DATE_LINE, order=order.clause())
        return await (await connection.execute(statement, facts, prepare=False)).fetchall()

    if _is_in_turn(order, wanted):
        found = await rows(in_turn)
    elif cut.goes_far:
        found = await rows(walked)
    else:
        found = await rows(collected)
        if found and found[0][0] > MAX_EXACT_COUNT:
            found = await rows(walked)
    return [_line(row) for _, *row in found]


async def _counted(connection: AsyncConnection[TupleRow], matching: Composed, facts: SearchFacts) -> int:
    found = await connection.execute(_COUNT.format(matching=matching), facts, prepare=False)
    (counted,) = await found.fetchone() or (0,)
    return counted


def _is_in_turn(order: Order, wanted: InvoiceFilter) -> bool:
    return order.is_of_each_standing and not wanted.searches


def _facts(wanted: InvoiceFilter, cut: Cut) -> dict[str, Any]:
    facts = {**wanted.facts(), "model": _MODEL, "limit": cut.limit + 1, "most": MAX_EXACT_COUNT + 1}
    after = _FIRST if cut.after is None else {"after_key": cut.after[0], "after_number": cut.after[1]}
    return {**facts, **after}


def _key(line: Line, sort: InvoiceSort) -> date | datetime | Decimal:
    if sort.endswith("total_amount"):
        return line.issued.total_amount
    due = due_latest_of(line.status) if sort == "due_latest" else None
    return due or line.issued.issued_on


def _line(row: Sequence[Any]) -> Line:
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

"""Pages of the list. Every query uses an index, and a page costs the same wherever it is in the list."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg.sql import SQL, Composable, Composed

from events.status import LABELS, Action, InvoiceStatus, LastRefusal, Status
from events.values import AccountId, Day, Documents, InvoiceNumber, Kind, Message, Money, SeenPostingStatus, StatusCode
from projections.answers import OF_ACCOUNTS, OF_OWNER, OUT_OF_DATE_LINE, Accounts, OutOfDate, owners
from projections.invoices.fold import IssuedPart
from projections.paging import Page, conditions, page_of

_MODEL = "invoices"
_NUMBER_DIGITS = 20
"""Digits of a whole number."""
_FROM = SQL("select invoice_number, issued::text, document::text, {} from projections.invoices as line where ").format(
    OUT_OF_DATE_LINE
)
# Of each status and account its newest, and the newest of those: so an index serves a page of all of them too.
_IN_ORDER = SQL("""
    select invoice_number, issued, document, {out_of_date} from unnest(%(statuses)s::text[]) as one (code) {owners}
    cross join lateral (
        select invoice_number, issued_on, issued::text as issued, document::text as document from projections.invoices
        where {filters} order by issued_on desc, invoice_number desc limit %(limit)s
    ) as line order by issued_on desc, invoice_number desc limit %(limit)s
""")
_BY_NUMBER = SQL("{} order by invoice_number desc limit %(limit)s")
_FIRST_OR_LAST = SQL("({first}) union ({last}) order by invoice_number desc limit %(limit)s")


class InvoiceLine(Message):
    """An invoice in the list."""

    invoice_number: InvoiceNumber
    account_id: AccountId
    kind: Kind
    issued_on: Day
    status: Status
    posting_status: SeenPostingStatus
    net_amount: Money
    tax_amount: Money
    total_amount: Money
    actions: tuple[Action, ...]
    documents: Documents | None = None
    last_refusal: LastRefusal | None = None
    out_of_date: OutOfDate | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """An invoice in the list: what was issued, where it stands, and whether that is out of date."""

    issued: IssuedPart
    status: InvoiceStatus
    out_of_date: OutOfDate | None = None


@dataclass(frozen=True, slots=True)
class InvoiceFilter:
    """Which lines: those after a place in the order, with these filters. q: digits of a number, first, last or all."""

    accounts: Accounts
    status: StatusCode | None
    q: str | None
    after: tuple[date, str] | None
    limit: int


async def page(connection: AsyncConnection[TupleRow], wanted: InvoiceFilter) -> Page[Line, tuple[date, str]]:
    """Return a page: newest first, by day of issue and number; of a search, by number alone."""
    statement, facts = _statement(wanted)
    rows = await (await connection.execute(statement, facts)).fetchall()
    lines = [_line(row) for row in rows]
    return page_of(lines, wanted.limit, lambda line: (line.issued.issued_on, line.status.invoice_number))


async def line_of(connection: AsyncConnection[TupleRow], invoice_number: str) -> Line | None:
    """Return the line of an invoice, or None for one not seen."""
    statement = SQL("{} invoice_number = %(number)s").format(_FROM)
    row = await (await connection.execute(statement, {"model": _MODEL, "number": invoice_number})).fetchone()
    return None if row is None else _line(row)


def _statement(wanted: InvoiceFilter) -> tuple[Composed, dict[str, Any]]:
    day, number = wanted.after or (None, None)
    facts: dict[str, Any] = {
        "model": _MODEL,
        "accounts": None if wanted.accounts is None else list(wanted.accounts),
        "status": wanted.status,
        "day": day,
        "number": number,
        "limit": wanted.limit + 1,
    }
    if wanted.q is None:
        facts["statuses"] = [wanted.status] if wanted.status else list(LABELS)
        of_status = SQL(" and ").join([SQL("status = one.code"), *conditions(_IN_ORDER_OF, facts)])
        return _IN_ORDER.format(owners=owners(wanted.accounts), filters=of_status, out_of_date=OUT_OF_DATE_LINE), facts
    filters = conditions(_FILTERS, facts)
    after = [SQL("invoice_number < %(number)s")] if number else []
    if len(wanted.q) == _NUMBER_DIGITS:
        return _BY_NUMBER.format(_where([*filters, *after, SQL("invoice_number = %(q)s")])), facts | {"q": wanted.q}
    # ":" comes right after "9": these are the ranges of all numbers that begin so.
    facts |= {"first": wanted.q, "after_first": f"{wanted.q}:"}
    facts |= {"last": wanted.q[::-1], "after_last": f"{wanted.q[::-1]}:"}
    first = SQL("invoice_number >= %(first)s and invoice_number < %(after_first)s")
    last = SQL("reversed_number >= %(last)s and reversed_number < %(after_last)s")
    each = [_BY_NUMBER.format(_where([*filters, *after, part])) for part in (first, last)]
    return _FIRST_OR_LAST.format(first=each[0], last=each[1]), facts


_IN_ORDER_OF: dict[LiteralString, str] = {
    OF_OWNER: "accounts",
    "(issued_on, invoice_number) < (%(day)s, %(number)s)": "number",
}
_FILTERS: dict[LiteralString, str] = {OF_ACCOUNTS: "accounts", "status = %(status)s": "status"}


def _where(all_of: Sequence[Composable]) -> Composable:
    return _FROM + (SQL(" and ").join(all_of) if all_of else SQL("true"))


def _line(row: TupleRow) -> Line:
    _, issued, document, out_of_date = row
    return Line(
        IssuedPart.model_validate_json(issued),
        InvoiceStatus.model_validate_json(document),
        OutOfDate.model_validate_json(out_of_date) if out_of_date else None,
    )


def as_served(line: Line) -> InvoiceLine:
    """Return a line as it is served."""
    issued, status = line.issued, line.status
    return InvoiceLine(
        invoice_number=status.invoice_number,
        account_id=status.account_id,
        kind=issued.kind,
        issued_on=issued.issued_on,
        status=status.status,
        posting_status=status.posting_status,
        net_amount=issued.net_amount,
        tax_amount=issued.tax_amount,
        total_amount=issued.total_amount,
        actions=status.actions,
        documents=issued.documents,
        last_refusal=status.last_refusal,
        out_of_date=line.out_of_date,
    )
